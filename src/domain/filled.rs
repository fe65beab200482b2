//! Maps and sets from iterators.

/// A map or set with these items. `collect` would sort them first, and a sort is four kilobytes of the program for each
/// type of item.
pub fn filled<T, C: Default + Extend<T>>(items: impl IntoIterator<Item = T>) -> C {
    let mut all = C::default();
    all.extend(items);
    all
}
