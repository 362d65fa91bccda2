//! LTS's `extParams`: a JSON object of texts, in a text column.

use std::collections::BTreeMap;

use serde_json::Value;

/// Parameters as Raftsman has them, and which of them were not text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Params {
    pub(super) texts: BTreeMap<String, String>,
    pub(super) converted: Vec<String>,
}

/// Reads the column; NULL and an empty text are no parameters.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn read(column: Option<&str>) -> Result<Params, String> {
    let Some(text) = column.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(Params::default());
    };
    let object = match serde_json::from_str(text) {
        Ok(Value::Object(object)) => object,
        Ok(Value::Null) => return Ok(Params::default()),
        Ok(_) => return Err("is JSON, but not an object of texts".into()),
        Err(error) => return Err(format!("is not JSON: {error}")),
    };
    let mut params = Params::default();
    for (name, value) in object {
        let text = match value {
            Value::String(text) => text,
            // LTS hands a parameter that is null to the runner as none.
            Value::Null => continue,
            other => {
                params.converted.push(name.clone());
                other.to_string()
            }
        };
        params.texts.insert(name, text);
    }
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_and_other_values_become_their_json_text() {
        let params = read(Some(r#"{"s":"a\"b","n":12.50,"o":{"x":[1]},"t":true,"z":null}"#)).unwrap();
        let texts: Vec<(&str, &str)> = params.texts.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(texts, [("n", "12.5"), ("o", r#"{"x":[1]}"#), ("s", "a\"b"), ("t", "true")]);
        assert_eq!(params.converted, ["n", "o", "t"]);
    }

    #[test]
    fn nothing_is_no_parameters_and_anything_else_is_told() {
        assert_eq!(read(None), Ok(Params::default()));
        assert_eq!(read(Some(" ")), Ok(Params::default()));
        assert_eq!(read(Some("null")), Ok(Params::default()));
        assert!(read(Some("[1]")).unwrap_err().contains("not an object"));
        assert!(read(Some("{'a':1}")).unwrap_err().starts_with("is not JSON"));
    }
}
