//! Values as parameters and in columns: null, integers, texts and bytes.

use std::borrow::Cow;
use std::time::Duration;

use crate::domain::{
    AccountId, Amount, CallbackVerdict, Currency, HookEvent, JobKind, PaymentId, WallTime,
};

use super::{SqlError, SqlResult};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ledger) enum Param<'a> {
    Null,
    Int(i64),
    /// Milliseconds since 1970, by this machine's clock.
    Time(i64),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
}

/// A statement's parameters: `params![a, b]`.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::ledger::sql::Param::from($value)),*]
    };
}
pub(in crate::ledger) use params;

macro_rules! integers {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Param<'_> {
            fn from(value: $kind) -> Self {
                Self::Int(value.into())
            }
        }
    )*};
}
integers!(i64, u32, u16, bool);

/// Numbers beyond a column's range saturate.
macro_rules! larger {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Param<'_> {
            fn from(value: $kind) -> Self {
                Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
            }
        }
    )*};
}
larger!(u64, usize, u128);

impl From<Duration> for Param<'_> {
    /// In nanoseconds.
    fn from(value: Duration) -> Self {
        value.as_nanos().into()
    }
}

macro_rules! texts {
    ($($kind:ty),*) => {$(
        impl<'a> From<&'a $kind> for Param<'a> {
            fn from(value: &'a $kind) -> Self {
                Self::Text(value.as_str().into())
            }
        }
    )*};
}
texts!(
    String,
    AccountId,
    PaymentId,
    Amount,
    Currency,
    HookEvent,
    JobKind,
    CallbackVerdict
);

impl From<WallTime> for Param<'_> {
    fn from(value: WallTime) -> Self {
        Self::Time(value.0)
    }
}

impl<'a> From<&'a str> for Param<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Param<'_> {
    fn from(value: String) -> Self {
        Self::Text(value.into())
    }
}

impl<'a> From<&'a [u8]> for Param<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a> From<&'a Vec<u8>> for Param<'a> {
    fn from(value: &'a Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Param<'a> {
    fn from(value: &'a [u8; N]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a, T: Into<Param<'a>>> From<Option<T>> for Param<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Column<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Of no other kind, or no UTF-8.
    Unknown,
}

#[derive(Clone, Copy)]
pub(in crate::ledger) struct Row<'a> {
    pub(in crate::ledger) column: &'a dyn Fn(usize) -> Column<'a>,
    /// How far the clock of the database is ahead of this machine's, in milliseconds.
    pub(in crate::ledger) ahead: i64,
}

impl Row<'_> {
    /// The value in a column, counted from zero.
    pub(in crate::ledger) fn get<T: FromColumn>(&self, column: usize) -> SqlResult<T> {
        let found = (self.column)(column);
        T::from_column(found, self.ahead).ok_or_else(|| SqlError::Malformed {
            column,
            why: format!("{found:?} is of another type"),
        })
    }

    /// The value in a column, which only this program can have written.
    pub(in crate::ledger) fn parsed<C: FromColumn, T, E: std::fmt::Display>(
        &self,
        column: usize,
        parse: impl FnOnce(C) -> Result<T, E>,
    ) -> SqlResult<T> {
        parse(self.get(column)?).map_err(|error| SqlError::Malformed {
            column,
            why: error.to_string(),
        })
    }
}

pub(in crate::ledger) trait FromColumn: Sized {
    /// `ahead` as in [`Row`].
    fn from_column(column: Column<'_>, ahead: i64) -> Option<Self>;
}

impl FromColumn for i64 {
    fn from_column(column: Column<'_>, _: i64) -> Option<Self> {
        match column {
            Column::Int(value) => Some(value),
            _ => None,
        }
    }
}

impl FromColumn for WallTime {
    fn from_column(column: Column<'_>, ahead: i64) -> Option<Self> {
        i64::from_column(column, 0).map(|value| Self(value.saturating_sub(ahead)))
    }
}

macro_rules! smaller {
    ($($kind:ty),*) => {$(
        impl FromColumn for $kind {
            fn from_column(column: Column<'_>, _: i64) -> Option<Self> {
                i64::from_column(column, 0)?.try_into().ok()
            }
        }
    )*};
}
smaller!(u32, u16, usize);

impl FromColumn for u64 {
    fn from_column(column: Column<'_>, _: i64) -> Option<Self> {
        i64::from_column(column, 0).map(i64::unsigned_abs)
    }
}

impl FromColumn for Duration {
    fn from_column(column: Column<'_>, _: i64) -> Option<Self> {
        u64::from_column(column, 0).map(Self::from_nanos)
    }
}

impl FromColumn for bool {
    fn from_column(column: Column<'_>, _: i64) -> Option<Self> {
        i64::from_column(column, 0).map(|value| value != 0)
    }
}

impl FromColumn for String {
    fn from_column(column: Column<'_>, _: i64) -> Option<Self> {
        match column {
            Column::Text(value) => Some(value.to_owned()),
            _ => None,
        }
    }
}

impl FromColumn for Vec<u8> {
    fn from_column(column: Column<'_>, _: i64) -> Option<Self> {
        match column {
            Column::Bytes(value) => Some(value.to_vec()),
            _ => None,
        }
    }
}

impl<T: FromColumn> FromColumn for Option<T> {
    fn from_column(column: Column<'_>, ahead: i64) -> Option<Self> {
        match column {
            Column::Null => Some(None),
            value => T::from_column(value, ahead).map(Some),
        }
    }
}

/// What a row is read as: the value of its first column, or those of as many columns as a tuple has.
pub(in crate::ledger) trait FromRow: Sized {
    fn from_row(row: Row<'_>) -> SqlResult<Self>;
}

impl<T: FromColumn> FromRow for T {
    fn from_row(row: Row<'_>) -> SqlResult<Self> {
        row.get(0)
    }
}

macro_rules! tuples {
    ($($($kind:ident $column:tt),+;)+) => {$(
        impl<$($kind: FromColumn),+> FromRow for ($($kind,)+) {
            fn from_row(row: Row<'_>) -> SqlResult<Self> {
                Ok(($(row.get::<$kind>($column)?,)+))
            }
        }
    )+};
}
tuples! {
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
}
