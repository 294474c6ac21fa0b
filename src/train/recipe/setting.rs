//! The types a setting can have, and how each stands in TOML.

use std::path::PathBuf;

use toml::Value;

use crate::data::MaskPool;

/// A type that a setting can have.
pub trait Setting: Sized {
    /// What an error says was expected.
    const EXPECTED: &'static str;

    /// Reads the setting from TOML; `None` where the value is of another type.
    fn from_toml(value: &Value) -> Option<Self>;

    /// Writes the setting as TOML, so that reading it gives `self` again.
    fn to_toml(&self) -> Value;
}

macro_rules! setting {
    ($type:ty, $expected:literal, $from:expr, $to:expr) => {
        impl Setting for $type {
            const EXPECTED: &'static str = $expected;

            fn from_toml(value: &Value) -> Option<Self> {
                ($from)(value)
            }

            fn to_toml(&self) -> Value {
                ($to)(self)
            }
        }
    };
}

fn float(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|integer| integer as f64))
}

fn integer<T: TryFrom<i64>>(value: &Value) -> Option<T> {
    T::try_from(value.as_integer()?).ok()
}

/// The f64 that prints as the f32 does, so that a recipe says `0.1`; the exact one where those differ as f32.
fn shortest(value: f32) -> f64 {
    let printed: f64 = format!("{value:?}").parse().expect("a printed float parses");
    if printed as f32 == value { printed } else { f64::from(value) }
}

setting!(f64, "a number", float, |&x: &f64| Value::Float(x));
setting!(f32, "a number", |v: &Value| float(v).map(|x| x as f32), |&x: &f32| {
    Value::Float(shortest(x))
});
setting!(u32, "a whole number from 0 to 4294967295", integer::<u32>, |&x: &u32| {
    Value::Integer(x.into())
});
setting!(u64, "a whole number, at least 0", integer::<u64>, |&x: &u64| {
    Value::Integer(i64::try_from(x).expect("settings stay below 2^63"))
});
setting!(usize, "a whole number, at least 0", integer::<usize>, |&x: &usize| {
    Value::Integer(i64::try_from(x).expect("settings stay below 2^63"))
});
setting!(bool, "true or false", Value::as_bool, |&x: &bool| { Value::Boolean(x) });
setting!(String, "text", |v: &Value| v.as_str().map(str::to_string), |x: &String| Value::String(
    x.clone()
));
setting!(PathBuf, "a path", |v: &Value| v.as_str().map(PathBuf::from), |x: &PathBuf| {
    Value::String(x.to_string_lossy().into_owned())
});
setting!(
    Vec<String>,
    "a list of texts, such as [\"a\", \"b\"]",
    |v: &Value| match v {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(all) => all.iter().map(|v| v.as_str().map(str::to_string)).collect(),
        _ => None,
    },
    |x: &Vec<String>| Value::Array(x.iter().cloned().map(Value::String).collect())
);

impl Setting for MaskPool {
    const EXPECTED: &'static str = "a number of masks above 0, or per_row";

    fn from_toml(value: &Value) -> Option<Self> {
        match value.as_str() {
            Some(PER_ROW) => Some(Self::PerRow),
            _ => usize::from_toml(value).filter(|&masks| masks > 0).map(Self::Shared),
        }
    }

    fn to_toml(&self) -> Value {
        match self {
            Self::Shared(masks) => masks.to_toml(),
            Self::PerRow => PER_ROW.to_string().to_toml(),
        }
    }
}

/// The [`MaskPool`] of the paper, as a setting.
const PER_ROW: &str = "per_row";
