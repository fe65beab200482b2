//! The constants of Pledg's protocol that the client and its simulator both need (`docs/providers/pledg.md`).

/// The fields of a back-mode notification that its signature covers, in this order. `additional_data` and `metadata` are
/// not among them.
pub const SIGNED: [&str; 6] = [
    "created_at",
    "error",
    "id",
    "reference",
    "sandbox",
    "status",
];
