//! What goes to stdout: the same rows as a table, as JSON, or as ids alone. The format never depends on the terminal.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// How rows are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// A table with all columns.
    Wide,
    /// One JSON document: an array, or an object where one thing was asked for.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// One id a line, for xargs.
    Id,
}

/// Where and how a command prints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    pub(super) format: Format,
    pub(super) headers: bool,
}

/// A column; the narrow table leaves out the wide ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) wide: bool,
}

pub(super) const fn column(name: &'static str) -> Column {
    Column { name, wide: false }
}

pub(super) const fn wide(name: &'static str) -> Column {
    Column { name, wide: true }
}

/// One thing, in all the forms that it can be printed in.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: String,
    /// One for each column.
    pub(super) cells: Vec<String>,
    pub(super) json: Value,
}

/// Whether a command shows one thing or any number of them, which JSON tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    Many,
}

impl Output {
    /// # Errors
    /// If stdout cannot be written, also because its reader went away.
    pub(super) fn print(&self, shape: Shape, columns: &[Column], rows: &[Row]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(self.render(shape, columns, rows).as_bytes())?;
        out.flush()
    }

    fn render(&self, shape: Shape, columns: &[Column], rows: &[Row]) -> String {
        match self.format {
            Format::Table => self.table(columns, rows, false),
            Format::Wide => self.table(columns, rows, true),
            Format::Json => json(shape, rows),
            Format::Jsonl => rows.iter().map(|row| format!("{}\n", row.json)).collect(),
            Format::Id => rows.iter().map(|row| format!("{}\n", row.id)).collect(),
        }
    }

    fn table(&self, columns: &[Column], rows: &[Row], all: bool) -> String {
        let shown: Vec<usize> = (0..columns.len()).filter(|at| all || !columns[*at].wide).collect();
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if self.headers {
            table.set_header(shown.iter().map(|at| columns[*at].name));
        }
        for row in rows {
            // A line break in a cell would tear the table.
            table.add_row(shown.iter().map(|at| row.cells[*at].replace(['\n', '\r'], " ")));
        }
        table.lines().map(|line| format!("{}\n", line.trim())).filter(|line| line.len() > 1).collect()
    }
}

fn json(shape: Shape, rows: &[Row]) -> String {
    let all: Vec<&Value> = rows.iter().map(|row| &row.json).collect();
    let text = match (shape, all.as_slice()) {
        (Shape::One, [one]) => serde_json::to_string_pretty(one),
        (Shape::One | Shape::Many, _) => serde_json::to_string_pretty(&all),
    };
    text.expect("a Value can be written") + "\n"
}

/// A line on stdout, of a command that shows no rows.
#[cfg(feature = "server")]
pub(super) fn tell(text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// A message for people, on stderr.
pub(super) fn say(text: impl std::fmt::Display) {
    // Where stderr is closed nobody can be told anyway.
    let _unheard = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [column("JOB"), column("STATE"), wide("ERROR")];

    fn rows() -> Vec<Row> {
        let row = |id: &str, state: &str, error: &str| Row {
            id: id.into(),
            cells: vec![id.into(), state.into(), error.into()],
            json: serde_json::json!({"job_id": id, "state": state, "error": error}),
        };
        vec![row("42.0", "SUCCEEDED", ""), row("1042.17", "DEAD", "exit code 3\nno such file")]
    }

    fn shown(format: Format, shape: Shape, rows: &[Row]) -> String {
        Output { format, headers: true }.render(shape, &COLUMNS, rows)
    }

    #[test]
    fn each_format_shows_the_same_rows() {
        let formats = [Format::Table, Format::Wide, Format::Jsonl, Format::Id];
        let all: Vec<String> = formats.map(|format| shown(format, Shape::Many, &rows())).into();
        expect_test::expect![[r#"
            JOB      STATE
            42.0     SUCCEEDED
            1042.17  DEAD

            JOB      STATE      ERROR
            42.0     SUCCEEDED
            1042.17  DEAD       exit code 3 no such file

            {"error":"","job_id":"42.0","state":"SUCCEEDED"}
            {"error":"exit code 3\nno such file","job_id":"1042.17","state":"DEAD"}

            42.0
            1042.17
        "#]]
        .assert_eq(&all.join("\n"));
    }

    #[test]
    fn json_is_an_object_for_one_and_an_array_for_many() {
        let one = shown(Format::Json, Shape::One, &rows()[..1]);
        assert_eq!(one, "{\n  \"error\": \"\",\n  \"job_id\": \"42.0\",\n  \"state\": \"SUCCEEDED\"\n}\n");
        assert!(shown(Format::Json, Shape::Many, &rows()[..1]).starts_with("[\n"));
        assert_eq!(shown(Format::Json, Shape::Many, &[]), "[]\n");
    }

    #[test]
    fn headers_can_be_left_out_and_an_empty_table_has_only_them() {
        let bare = Output { format: Format::Table, headers: false };
        assert_eq!(bare.render(Shape::Many, &COLUMNS, &rows()[..1]), "42.0  SUCCEEDED\n");
        assert_eq!(shown(Format::Table, Shape::Many, &[]), "JOB  STATE\n");
    }
}
