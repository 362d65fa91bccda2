//! The settings as people read them: the commented file that `config init` prints, and the page in `docs/`.

use std::fmt::Write as _;

use super::{Config, SECTIONS};

/// A file with every setting, commented, at its default.
pub fn default_file() -> String {
    let mut file = String::from(
        "# Settings of a JobTracker, each at its default; take the `#` away to change one.\n\
         #\n\
         # The order is default < this file < environment < flag. In the environment `raft.heartbeat` is\n\
         # RAFTSMAN_RAFT__HEARTBEAT. `raftsman config validate` checks a file, `raftsman config show --effective` tells\n\
         # where each value comes from.\n",
    );
    let defaults = Config::default().values();
    let mut values = defaults.iter();
    for section in SECTIONS {
        file.push('\n');
        write_about(&mut file, section.about);
        writeln!(file, "[{}]", section.name).expect("a String takes everything");
        for setting in section.settings {
            let (_, value) = values.next().expect("every setting has a value");
            write_about(&mut file, setting.about);
            writeln!(file, "#{} = {value}", setting.name).expect("a String takes everything");
        }
    }
    file
}

fn write_about(file: &mut String, about: &[&str]) {
    for line in about {
        writeln!(file, "# {}", line.trim()).expect("a String takes everything");
    }
}

/// `docs/configuration.md`.
#[cfg(test)]
fn page() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         <!-- made from src/jobtracker/config: UPDATE_EXPECT=1 cargo test --release --features server config -->\n\n\
         A JobTracker takes each setting from the last of these that has it: the default, a TOML file\n\
         (`--config FILE`, else `/etc/raftsman/raftsman.toml` if it is there), the environment, a flag.\n\
         `raft.heartbeat` in the environment is `RAFTSMAN_RAFT__HEARTBEAT`; names without `__` are not settings.\n\
         Spans are written `250ms`, `10s`, `5m`, `2h`, `7d`, sizes `512KiB`, `64MiB`, `2GiB`.\n\n\
         `raftsman config init` prints a commented file, `raftsman config validate` checks one and names\n\
         everything that is wrong, `raftsman config show --effective` tells where each value comes from. A setting that\n\
         does not exist is an error, and so is one that contradicts another.\n",
    );
    let defaults = Config::default().values();
    let mut values = defaults.iter();
    for section in SECTIONS {
        let about: Vec<&str> = section.about.iter().map(|line| line.trim()).collect();
        write!(page, "\n## [{}]\n\n{}\n\n", section.name, about.join(" "))
            .expect("a String takes everything");
        page.push_str("| setting | default | |\n|---|---|---|\n");
        for setting in section.settings {
            let (_, value) = values.next().expect("every setting has a value");
            let about: Vec<&str> = setting.about.iter().map(|line| line.trim()).collect();
            writeln!(page, "| `{}` | `{value}` | {} |", setting.name, about.join(" "))
                .expect("a String takes everything");
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobtracker::config::{Layers, load};

    #[test]
    fn the_page_in_docs_and_the_file_beside_it_are_fresh() {
        expect_test::expect_file!["../../../docs/configuration.md"].assert_eq(&page());
        expect_test::expect_file!["../../../raftsman.toml"].assert_eq(&default_file());
    }

    #[test]
    fn the_default_file_with_every_comment_taken_away_is_the_default() {
        let uncommented: String = default_file()
            .lines()
            .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
            .map(|line| format!("{line}\n"))
            .collect();
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [("commented.toml", default_file()), ("uncommented.toml", uncommented)] {
            let file = directory.path().join(name);
            std::fs::write(&file, text).unwrap();
            let loaded = load(&Layers { file: Some(file), ..Layers::default() });
            let loaded = loaded.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(loaded.config, Config::default());
            let from_file = loaded.effective().iter().filter(|setting| setting.origin != "default").count();
            let expected = if name == "commented.toml" { 0 } else { loaded.effective().len() };
            assert_eq!(from_file, expected, "{name}");
        }
    }
}
