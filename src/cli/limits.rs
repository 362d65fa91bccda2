//! `raftsman cluster limits`: what the whole cluster keeps, and for how long.

use serde_json::json;

use super::Global;
use super::connect::cluster;
use super::failure::{Failure, Outcome};
use super::output::{Row, Shape, column, wide};
use crate::domain::Millis;
use crate::wire::pb;

/// Sizes are written with these; without one a number counts bytes.
const SIZE_UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

#[derive(Debug, clap::Args)]
pub(super) struct LimitsCommand {
    /// A limit that changes for the whole cluster, such as finished_kept=3d; can be given many times
    #[arg(long = "set", value_name = "NAME=VALUE")]
    changes: Vec<String>,
}

impl LimitsCommand {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let get = async |via, request| cluster(via).get_limits(request).await;
        let request = pb::GetLimitsRequest { consistency: pb::Consistency::Linearizable.into() };
        let mut limits = client.read(request, get).await?.limits;
        if !self.changes.is_empty() {
            let changes = self.changes.iter().map(|change| parse(change, &limits));
            let changes =
                changes.collect::<Result<_, _>>().map_err(|wrong| Failure::usage("--set", wrong))?;
            let set = async |via, request| cluster(via).set_limits(request).await;
            limits = client.call(pb::SetLimitsRequest { changes }, set).await?.limits;
        }
        let columns = [column("LIMIT"), column("VALUE"), column("DEFAULT"), wide("MEANING")];
        let rows: Vec<Row> = limits.iter().map(row).collect();
        Ok(global.output().print(Shape::Many, &columns, &rows)?)
    }
}

fn row(limit: &pb::Limit) -> Row {
    let [value, default] = [limit.value, limit.default_value].map(|value| show(limit.unit(), value));
    Row {
        id: limit.name.clone(),
        json: json!({
            "name": limit.name, "value": value, "default": default, "meaning": limit.meaning,
            "raw_value": limit.value,
        }),
        cells: vec![limit.name.clone(), value, default, limit.meaning.clone()],
    }
}

fn show(unit: pb::LimitUnit, value: u64) -> String {
    match unit {
        pb::LimitUnit::Milliseconds => Millis::new(value).to_string(),
        pb::LimitUnit::Bytes => {
            match SIZE_UNITS.iter().find(|(_, size)| value > 0 && value.is_multiple_of(*size)) {
                Some((unit, size)) => format!("{}{unit}", value / size),
                None => format!("{value}B"),
            }
        }
        pb::LimitUnit::Count | pb::LimitUnit::Unspecified => value.to_string(),
    }
}

/// `NAME=VALUE`, the value as its limit's unit wants it.
fn parse(change: &str, limits: &[pb::Limit]) -> Result<pb::LimitChange, String> {
    let (name, value) = change
        .split_once('=')
        .ok_or_else(|| format!("{change:?} is no NAME=VALUE such as finished_kept=3d"))?;
    let unit =
        limits.iter().find(|limit| limit.name == name).map_or(pb::LimitUnit::Unspecified, pb::Limit::unit);
    let count = || value.parse().map_err(|_| format!("{name} counts: {value:?} is no number"));
    let value = match unit {
        pb::LimitUnit::Milliseconds => value.parse::<Millis>().map(Millis::get)?,
        pb::LimitUnit::Bytes => bytes(value).ok_or_else(|| format!("{value:?} is no size such as 512KiB"))?,
        pb::LimitUnit::Count => count()?,
        // The cluster says which limits there are.
        pb::LimitUnit::Unspecified => 0,
    };
    Ok(pb::LimitChange { name: name.into(), value })
}

fn bytes(text: &str) -> Option<u64> {
    let unit = SIZE_UNITS.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)));
    let (number, size) = unit.unwrap_or((text.strip_suffix('B').unwrap_or(text), 1));
    number.parse::<u64>().ok()?.checked_mul(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_and_shown_in_its_limits_unit() {
        let limit = |name: &str, unit: pb::LimitUnit| pb::Limit {
            name: name.into(),
            unit: unit.into(),
            ..pb::Limit::default()
        };
        let limits = [
            limit("kept", pb::LimitUnit::Milliseconds),
            limit("bytes", pb::LimitUnit::Bytes),
            limit("runs", pb::LimitUnit::Count),
        ];
        for (change, value, again) in [
            ("kept=3d", 259_200_000, "259200s"),
            ("bytes=64KiB", 65_536, "64KiB"),
            ("bytes=1000", 1000, "1000B"),
            ("runs=5", 5, "5"),
        ] {
            let parsed = parse(change, &limits).expect(change);
            assert_eq!(parsed.value, value, "{change}");
            let unit = limits.iter().find(|limit| limit.name == parsed.name).expect("it is one").unit();
            assert_eq!(show(unit, value), again);
        }
        for wrong in ["kept", "kept=3", "bytes=1MB", "runs=many", "runs=-1"] {
            assert!(parse(wrong, &limits).is_err(), "{wrong}");
        }
    }
}
