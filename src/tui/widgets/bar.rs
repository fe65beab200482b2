//! Small pictures of numbers, in whole cells: a gauge and a sparkline.

use crate::domain::Amount;

/// `▰▰▱▱▱▱`: how much of `limit` is used. Something used shows at least one cell, something free leaves one.
pub fn gauge(used: u32, limit: u32, cells: u16) -> (String, String) {
    let (used, limit, wide) = (u64::from(used), u64::from(limit), u64::from(cells));
    let full = if limit == 0 || used >= limit {
        wide
    } else {
        (used * wide / limit)
            .max(u64::from(used > 0))
            .min(wide.saturating_sub(1))
    };
    let full = usize::try_from(full).unwrap_or(0);
    (
        "▰".repeat(full),
        "▱".repeat(usize::from(cells).saturating_sub(full)),
    )
}

/// `▁▃▇`: the last `cells` amounts between the lowest and the highest of them.
pub fn sparkline<'a>(amounts: impl Iterator<Item = &'a Amount>, cells: u16) -> String {
    const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let all: Vec<&Amount> = amounts.collect();
    let seen = &all[all.len().saturating_sub(usize::from(cells))..];
    let (Some(low), Some(high)) = (seen.iter().min(), seen.iter().max()) else {
        return String::new();
    };
    seen.iter()
        .map(|amount| EIGHTHS[usize::from(amount.eighth_between(low, high).min(7))])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_never_looks_full_or_empty_when_it_is_not() {
        let full = |used, limit| gauge(used, limit, 6).0.chars().count();
        assert_eq!(full(0, 2000), 0);
        assert_eq!(full(1, 2000), 1);
        assert_eq!(full(1999, 2000), 5);
        assert_eq!(full(2000, 2000), 6);
        assert_eq!(full(2100, 2000), 6);
    }

    #[test]
    fn a_sparkline_shows_the_latest() {
        let amounts: Vec<Amount> = ["1", "2", "3", "9"]
            .iter()
            .map(|text| Amount::received(text).unwrap())
            .collect();
        assert_eq!(sparkline(amounts.iter(), 3), "▁▂█");
        assert_eq!(sparkline(amounts[..1].iter(), 3), "▄");
        assert_eq!(sparkline([].iter(), 3), "");
    }
}
