//! LTS's HTTP commands as they travel: parameters of the query or of a form, and one shape of answer.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// Stands for the identity of whichever node answers: LTS's paths begin with one, and a script may know only an address.
pub const ANY_IDENTITY: &str = "-";

/// The answer to a command: `{success, msg, code, obj}`. What LTS left null is null.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LtsAnswer {
    pub success: bool,
    pub msg: Option<String>,
    /// A reason of docs/errors.md where there is one.
    pub code: Option<String>,
    pub obj: Option<Value>,
}

impl LtsAnswer {
    pub fn success(msg: impl Into<String>) -> LtsAnswer {
        LtsAnswer { success: true, msg: Some(msg.into()), ..LtsAnswer::default() }
    }

    pub fn refused(code: impl Into<String>, msg: impl Into<String>) -> LtsAnswer {
        LtsAnswer { success: false, msg: Some(msg.into()), code: Some(code.into()), obj: None }
    }

    #[must_use]
    pub fn with(mut self, obj: Value) -> LtsAnswer {
        self.obj = Some(obj);
        self
    }
}

/// The parameters of a command: those of the query, then those of the form, which win. An empty one counts as missing.
pub fn lts_parameters(query: Option<&str>, form: &[u8]) -> BTreeMap<String, String> {
    let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let all = query.chain(form_urlencoded::parse(form));
    let text = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
        (!value.is_empty()).then(|| (name.into_owned(), value.into_owned()))
    };
    all.filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_from_both_and_an_empty_one_is_missing() {
        let parameters = lts_parameters(Some("jobId=1%2E0&a=&b=x+y"), b"b=form&job=%7B%7D");
        let told: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(told, ["b=form", "job={}", "jobId=1.0"]);
        assert!(lts_parameters(None, b"").is_empty());
    }

    #[test]
    fn an_answer_has_ltss_four_fields() {
        let text = |answer: &LtsAnswer| serde_json::to_string(answer).expect("it is JSON");
        let ok = LtsAnswer::success("ok").with(serde_json::json!({"x": 1}));
        assert_eq!(text(&ok), r#"{"success":true,"msg":"ok","code":null,"obj":{"x":1}}"#);
        let refused = LtsAnswer::refused("INVALID_ARGUMENT", "jobId is missing");
        assert_eq!(
            text(&refused),
            r#"{"success":false,"msg":"jobId is missing","code":"INVALID_ARGUMENT","obj":null}"#
        );
    }
}
