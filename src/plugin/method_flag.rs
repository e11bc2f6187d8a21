//! Methods as flags take them: by their names in HTTP and in rules, in any case of letters where the flag
//! says `ignore_case`.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use presigned_core::api::{Method, PolicyMethod};

/// What a URL or a form is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MethodFlag(pub Method);

impl ValueEnum for MethodFlag {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self(Method::Get),
            Self(Method::Head),
            Self(Method::Put),
            Self(Method::Post),
            Self(Method::Delete),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self.0 {
            Method::Get => "Download",
            Method::Head => "Metadata only",
            Method::Put => "Upload of one object",
            Method::Post => "Upload by a form",
            Method::Delete => "Removal of one object",
        };
        Some(PossibleValue::new(self.0.as_str()).help(help))
    }
}

/// A method of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleMethodFlag(pub PolicyMethod);

impl ValueEnum for RuleMethodFlag {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self(PolicyMethod::Get),
            Self(PolicyMethod::Head),
            Self(PolicyMethod::Put),
            Self(PolicyMethod::Post),
            Self(PolicyMethod::Delete),
            Self(PolicyMethod::List),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.as_str()))
    }
}
