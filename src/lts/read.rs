//! Files of rows: CSV, the tab-separated text of `mysql --batch`, JSON, or one JSON object a line.
//!
//! A row is a map from LTS's column names to texts; NULL and what is left out are not in it. Columns are named as MySQL has
//! them, or as LTS's MongoDB documents and its job JSON have them (`taskId` is `task_id`).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Rows of one file: LTS's own page of a hundred thousand jobs fits ten times.
const ROWS_MAX: usize = 1_000_000;

/// One row: column to text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record(BTreeMap<String, String>);

/// How a text file escapes what its separators would tear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 4180: a quote within quotes is doubled. What database tools and spreadsheets write.
    #[default]
    Doubled,
    /// A backslash escapes the next character: what `SELECT ... INTO OUTFILE` writes unless told otherwise.
    Backslash,
}

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("is not UTF-8: export it with --default-character-set=utf8mb4")]
    NotUtf8,
    #[error("is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("line {line} is not a JSON object: {problem}")]
    JsonLine { line: usize, problem: String },
    #[error("is JSON, but neither an array of rows nor an object for each row")]
    JsonShape,
    #[error("cannot be read as CSV: {0}")]
    Csv(#[from] csv::Error),
    #[error("has no column {0}: its first line must name LTS's columns")]
    NoColumn(&'static str),
    #[error("has more than {ROWS_MAX} rows: split it")]
    TooManyRows,
}

impl Record {
    /// The text of a column; `None` for NULL and for a column that is not there.
    pub fn get(&self, column: &str) -> Option<&str> {
        self.0.get(column).map(String::as_str)
    }

    /// The row that a JSON object is.
    pub fn of_json(object: Map<String, Value>) -> Record {
        let texts = object.into_iter().filter_map(|(name, value)| Some((snake(&name), text(value)?)));
        Record(texts.collect())
    }

    #[cfg(test)]
    pub(super) fn of<'a>(columns: impl IntoIterator<Item = (&'a str, &'a str)>) -> Record {
        Record(columns.into_iter().map(|(name, text)| (name.into(), text.into())).collect())
    }
}

/// The rows of a file, in its order. What it is, is told by its first characters.
///
/// # Errors
/// If it is none of the forms, or names none of LTS's columns.
pub fn read(bytes: &[u8], dialect: Dialect) -> Result<Vec<Record>, FileError> {
    let text = std::str::from_utf8(bytes).map_err(|_| FileError::NotUtf8)?;
    let text = text.trim_start_matches('\u{feff}');
    let rows = match text.trim_start().chars().next() {
        None => Vec::new(),
        Some('[') => array(text)?,
        Some('{') => lines(text)?,
        Some(_) => table(text, dialect)?,
    };
    if rows.len() > ROWS_MAX { Err(FileError::TooManyRows) } else { Ok(rows) }
}

fn array(text: &str) -> Result<Vec<Record>, FileError> {
    let rows: Vec<Value> = serde_json::from_str(text)?;
    rows.into_iter().map(|row| object(row).ok_or(FileError::JsonShape)).collect()
}

fn object(row: Value) -> Option<Record> {
    match row {
        Value::Object(object) => Some(Record::of_json(object)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    }
}

fn lines(text: &str) -> Result<Vec<Record>, FileError> {
    let mut rows = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |problem: String| FileError::JsonLine { line: at + 1, problem };
        let row = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        rows.push(object(row).ok_or_else(|| wrong("it is another JSON value".into()))?);
    }
    Ok(rows)
}

fn table(text: &str, dialect: Dialect) -> Result<Vec<Record>, FileError> {
    let is_batch = text.lines().next().is_some_and(|header| header.contains('\t'));
    let mut builder = csv::ReaderBuilder::new();
    // A row that is short is told as one, with its place, instead of ending the import.
    builder.flexible(true).trim(csv::Trim::Headers);
    if is_batch {
        builder.delimiter(b'\t').quoting(false);
    } else if dialect == Dialect::Backslash {
        builder.escape(Some(b'\\')).double_quote(false);
    }
    let mut reader = builder.from_reader(text.as_bytes());
    let columns: Vec<String> = reader.headers()?.iter().map(snake).collect();
    for needed in ["task_id", "task_tracker_node_group"] {
        if !columns.iter().any(|column| column == needed) {
            return Err(FileError::NoColumn(needed));
        }
    }
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row?;
        let cells = columns.iter().zip(row.iter()).filter(|(_, cell)| !is_null(cell));
        let unescaped = |cell: &str| if is_batch { unescaped(cell) } else { cell.to_owned() };
        rows.push(Record(cells.map(|(column, cell)| (column.clone(), unescaped(cell))).collect()));
    }
    Ok(rows)
}

/// NULL as MySQL's tools write it. An empty cell is as good as none in every column that is read.
fn is_null(cell: &str) -> bool {
    matches!(cell, "" | "\\N" | "NULL")
}

/// `mysql --batch` writes a tab as `\t`, a line break as `\n`, a backslash as `\\`, a zero as `\0`.
fn unescaped(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    let mut chars = cell.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('t') => text.push('\t'),
                Some('n') => text.push('\n'),
                Some('0') => text.push('\0'),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            (c, false) => text.push(c),
        }
    }
    text
}

/// The text that a column of LTS's table would have.
fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(is) => Some(u8::from(is).to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text),
        // mongoexport's 64-bit numbers.
        Value::Object(object) if object.len() == 1 && object.contains_key("$numberLong") => {
            object.get("$numberLong").and_then(Value::as_str).map(str::to_owned)
        }
        other @ (Value::Array(_) | Value::Object(_)) => Some(other.to_string()),
    }
}

/// `taskTrackerNodeGroup` and `TASK_TRACKER_NODE_GROUP` are `task_tracker_node_group`.
fn snake(name: &str) -> String {
    let name = name.trim().trim_matches('`');
    if !name.chars().any(|c| c.is_ascii_lowercase()) {
        return name.to_ascii_lowercase();
    }
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, dialect: Dialect) -> Vec<Vec<(String, String)>> {
        let rows = read(text.as_bytes(), dialect).unwrap_or_else(|error| panic!("{error}"));
        rows.into_iter().map(|row| row.0.into_iter().collect()).collect()
    }

    fn error(bytes: &[u8]) -> String {
        read(bytes, Dialect::Doubled).expect_err("it cannot be read").to_string()
    }

    #[test]
    fn every_form_gives_the_same_rows() {
        let quoted = "task_id,task_tracker_node_group,ext_params,trigger_time,cron_expression\n\
                      t1,trade,\"{\"\"a\"\":\"\"x\\ny\"\"}\",12,\\N\n";
        let escaped = "task_id,task_tracker_node_group,ext_params,trigger_time,cron_expression\n\
                       \"t1\",\"trade\",\"{\\\"a\\\":\\\"x\\\\ny\\\"}\",\"12\",\\N\n";
        let batch = "task_id\ttask_tracker_node_group\text_params\ttrigger_time\tcron_expression\n\
                     t1\ttrade\t{\"a\":\"x\\\\ny\"}\t12\tNULL\n";
        let lines = r#"{"task_id":"t1","task_tracker_node_group":"trade","ext_params":"{\"a\":\"x\\ny\"}","trigger_time":12,"cron_expression":null}"#;
        let mongo = r#"[{"taskId":"t1","taskTrackerNodeGroup":"trade","extParams":{"a":"x\ny"},"triggerTime":{"$numberLong":"12"}}]"#;
        let first = all(quoted, Dialect::Doubled);
        assert_eq!(first[0].len(), 4, "{first:?}");
        assert_eq!(first[0][0], ("ext_params".into(), r#"{"a":"x\ny"}"#.into()));
        for (text, dialect) in [
            (escaped, Dialect::Backslash),
            (batch, Dialect::Doubled),
            (lines, Dialect::Doubled),
            (mongo, Dialect::Doubled),
        ] {
            assert_eq!(all(text, dialect), first, "{text}");
        }
    }

    #[test]
    fn a_byte_order_mark_and_upper_case_columns_are_read() {
        let rows = all("\u{feff}TASK_ID,TASK_TRACKER_NODE_GROUP\nt1,订单\n", Dialect::Doubled);
        assert_eq!(rows[0][1], ("task_tracker_node_group".into(), "订单".into()));
        assert_eq!(all("", Dialect::Doubled), Vec::<Vec<_>>::new());
    }

    #[test]
    fn a_short_row_has_fewer_columns_and_the_next_is_whole() {
        let rows = all("task_id,task_tracker_node_group,priority\nt1\nt2,trade,7\n", Dialect::Doubled);
        assert_eq!((rows[0].len(), rows[1].len()), (1, 3));
    }

    #[test]
    fn what_is_no_table_says_what_is_wrong() {
        assert!(error(b"\xff\xfe").contains("utf8mb4"));
        assert_eq!(error(b"id,name\n1,2\n"), "has no column task_id: its first line must name LTS's columns");
        assert!(error(b"[1]").contains("neither an array of rows"));
        assert!(error(b"{\"task_id\":\"a\"}\n7\n").starts_with("line 2 is not a JSON object"));
        assert!(error(b"[{]").starts_with("is not JSON"));
    }
}
