//! Numbers as bars: a gauge in eighths of a cell, columns, and a sparkline.

use crate::domain::Amount;

/// `██▋░░░`: the share `part` of `whole`, in eighths of a cell. More than nothing draws at least an eighth, and less
/// than all leaves at least one free.
pub fn eighths(part: u128, whole: u128, cells: u16) -> (String, String) {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let steps = u128::from(cells) * 8;
    let filled = if whole == 0 || part >= whole {
        steps
    } else {
        part.saturating_mul(steps)
            .checked_div(whole)
            .unwrap_or(0)
            .max(u128::from(part > 0))
            .min(steps.saturating_sub(1))
    };
    let filled = usize::try_from(filled).unwrap_or(0);
    let mut full = "█".repeat(filled / 8);
    full.push_str(PARTS[filled % 8]);
    let rest = usize::from(cells).saturating_sub(filled.div_ceil(8));
    (full, "░".repeat(rest))
}

/// `▁▁▄█·▂`: counts as columns, scaled to the highest; zero is a dot, and one is visible beside a thousand.
pub fn columns(counts: &[u32]) -> String {
    const HEIGHTS: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = u64::from(counts.iter().copied().max().unwrap_or(0)).max(1);
    counts
        .iter()
        .map(|count| {
            let height = (u64::from(*count) * 8).div_ceil(most);
            HEIGHTS[usize::try_from(height).unwrap_or(8).min(8)]
        })
        .collect()
}

/// `▁▃▇`: the last `cells` amounts, scaled between their lowest and highest. One amount alone draws nothing.
pub fn sparkline<'a>(amounts: impl Iterator<Item = &'a Amount>, cells: u16) -> String {
    const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let all: Vec<&Amount> = amounts.collect();
    let seen = &all[all.len().saturating_sub(usize::from(cells))..];
    if seen.len() < 2 {
        return String::new();
    }
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
        let drawn = |part, whole| {
            let (full, rest) = eighths(part, whole, 6);
            full + &rest
        };
        assert_eq!(drawn(0, 2000), "░░░░░░");
        assert_eq!(drawn(1, 2000), "▏░░░░░");
        assert_eq!(drawn(1000, 2000), "███░░░");
        assert_eq!(drawn(1999, 2000), "█████▉");
        assert_eq!(drawn(2000, 2000), "██████");
        assert_eq!(drawn(2100, 2000), "██████");
        assert_eq!(eighths(1, 2, 0), (String::new(), String::new()));
        assert_eq!(eighths(u128::MAX - 1, u128::MAX, 1).0, "▏", "no overflow");
    }

    #[test]
    fn the_highest_column_is_full_and_one_is_seen_beside_a_thousand() {
        assert_eq!(columns(&[0, 1, 500, 1000]), "·▁▄█");
        assert_eq!(columns(&[0, 0]), "··");
    }

    #[test]
    fn a_sparkline_shows_the_latest() {
        let amounts: Vec<Amount> = ["1", "2", "3", "9"]
            .iter()
            .map(|text| Amount::received(text).unwrap())
            .collect();
        assert_eq!(sparkline(amounts.iter(), 3), "▁▂█");
        assert_eq!(sparkline(amounts[..1].iter(), 3), "");
        assert_eq!(sparkline([].iter(), 3), "");
    }
}
