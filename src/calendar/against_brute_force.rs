//! The calendar against a scan of four years, minute by minute, in nine zones.
//!
//! The scan shares nothing with the calendar but the zone data: it looks at every minute that passes, asks jiff what the
//! clock on the wall shows, and matches the fields by itself, reading the text anew. It is slow and plain on purpose.
//!
//! `RAFTSMAN_SEED=7 cargo test against_brute_force` runs one seed again. Each run counts the rare things that it met and
//! fails if it did not meet them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp as Instant;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use super::PreparedCron;
use crate::domain::{CronSchedule, DstRule, Millis, Timestamp};

/// Where and from when on: gaps of an hour, half an hour, a day, at midnight; overlaps at midnight; none at all.
const SCANS: [(&str, &str); 9] = [
    ("UTC", "2097-01-01T00:00:00Z"),
    ("Asia/Kathmandu", "2024-01-01T00:00:00Z"),
    ("America/New_York", "2024-01-01T00:00:00Z"),
    ("Europe/London", "2026-01-01T00:00:00Z"),
    ("Australia/Lord_Howe", "2024-01-01T00:00:00Z"),
    ("America/Sao_Paulo", "2015-06-01T00:00:00Z"),
    ("Pacific/Apia", "2009-06-01T00:00:00Z"),
    ("America/Havana", "2024-01-01T00:00:00Z"),
    ("America/Ciudad_Juarez", "2021-06-01T00:00:00Z"),
];
const SCAN_DAYS: i64 = 4 * 365 + 1;
const EXPRESSIONS_PER_SCAN: usize = 14;

const RULES: [DstRule; 5] =
    [DstRule::Auto, DstRule::SkipSecond, DstRule::SkipFirst, DstRule::ShiftFirst, DstRule::ShiftBoth];

/// The rare things that a run must meet.
#[derive(Debug, Default)]
struct Met {
    gap: u64,
    overlap: u64,
    shifted_onto_regular: u64,
    year_end: u64,
    leap_day: u64,
    both_days: u64,
    special_day: u64,
    wrapped: u64,
    instants: u64,
    quiet: u64,
}

impl Met {
    fn check(&self) {
        println!("{self:?}");
        for (what, count, least) in [
            ("gaps", self.gap, 50),
            ("overlaps", self.overlap, 50),
            ("shifted onto a regular time", self.shifted_onto_regular, 5),
            ("ends of a year", self.year_end, 15),
            ("leap days", self.leap_day, 10),
            ("both days restricted", self.both_days, 3),
            ("special days", self.special_day, 20),
            ("wrapped ranges", self.wrapped, 10),
            ("instants", self.instants, 100_000),
        ] {
            assert!(count >= least, "met only {count} {what}: {self:?}");
        }
        assert!(self.quiet < 30, "too many expressions fired in none of four years: {self:?}");
    }
}

/// SplitMix64: the seed is all of its state.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.roll(choices.len() as u64) as usize]
    }
}

// -- the scan ---------------------------------------------------------------------------------------------------------

/// One minute as it passed, and what the clock showed at its start. Every offset since 1970 that is scanned here is a
/// whole number of minutes.
#[derive(Clone, Copy)]
struct Shown {
    at: i64,
    wall: i64,
}

/// Minutes of the wall clock that never were, with the instant that the old offset gives them.
#[derive(Clone, Copy)]
struct Missing {
    shifted: i64,
    wall: i64,
}

struct Scan {
    zone: &'static str,
    from: i64,
    until: i64,
    shown: Vec<Shown>,
    missing: Vec<Missing>,
    /// Wall minutes that were shown twice.
    twice: BTreeSet<i64>,
}

fn scan(name: &'static str, from: &str) -> Scan {
    let zone = TimeZoneDatabase::bundled().get(name).unwrap();
    let from = from.parse::<Instant>().unwrap().as_second();
    let until = from + SCAN_DAYS * 86_400;
    let mut scan = Scan { zone: name, from, until, shown: vec![], missing: vec![], twice: BTreeSet::new() };
    // A day more at each end: what it throws into the four years is counted, itself it is not.
    for at in (from - 2 * 86_400..until + 2 * 86_400).step_by(60) {
        let wall = at + offset(&zone, at);
        if let Some(last) = scan.shown.last().copied() {
            let expected = last.wall + 60;
            for wall in (expected..wall).step_by(60) {
                scan.missing.push(Missing { shifted: wall - (last.wall - last.at), wall });
            }
            scan.twice.extend((wall..expected).step_by(60));
        }
        scan.shown.push(Shown { at, wall });
    }
    scan
}

fn offset(zone: &TimeZone, second: i64) -> i64 {
    i64::from(zone.to_offset(Instant::from_second(second).unwrap()).seconds())
}

/// What a rule says, told again in its own words.
fn shifts_and_pass(rule: DstRule, every_hour: bool) -> (bool, [bool; 2]) {
    match rule {
        DstRule::Auto if every_hour => (false, [true, true]),
        DstRule::Auto | DstRule::ShiftFirst => (true, [true, false]),
        DstRule::SkipSecond => (false, [false, true]),
        DstRule::SkipFirst => (false, [true, false]),
        DstRule::ShiftBoth => (true, [true, true]),
    }
}

impl Scan {
    /// All firing seconds, ascending.
    fn fires(&self, plain: &Plain, rule: DstRule, met: &mut Met) -> Vec<i64> {
        let (shifts, passes) = shifts_and_pass(rule, plain.every_hour);
        let mut seen = BTreeMap::new();
        let mut minutes = vec![];
        let mut cached_day = (i64::MIN, false);
        for shown in &self.shown {
            if !plain.matches(shown.wall, &mut cached_day) {
                continue;
            }
            if self.twice.contains(&shown.wall) {
                let pass = seen.entry(shown.wall).and_modify(|pass| *pass += 1).or_insert(0usize);
                met.overlap += 1;
                if passes[*pass] {
                    minutes.push(shown.at);
                }
            } else {
                minutes.push(shown.at);
            }
        }
        let mut shifted = vec![];
        for missing in &self.missing {
            if plain.matches(missing.wall, &mut cached_day) {
                met.gap += 1;
                if shifts {
                    met.shifted_onto_regular += u64::from(minutes.binary_search(&missing.shifted).is_ok());
                    shifted.push(missing.shifted);
                }
            }
        }
        minutes.extend(shifted);
        minutes.sort_unstable();
        minutes.dedup();
        let seconds =
            minutes.iter().flat_map(|minute| plain.seconds.iter().map(move |second| minute + second));
        seconds.filter(|second| (self.from..self.until).contains(second)).collect()
    }
}

// -- an expression, read plainly --------------------------------------------------------------------------------------

struct Plain {
    seconds: BTreeSet<i64>,
    /// Which minutes of a day match.
    minutes_of_day: Vec<bool>,
    every_hour: bool,
    months: BTreeSet<i64>,
    years: Option<BTreeSet<i64>>,
    day_of_month: String,
    weekday: String,
    quartz: bool,
}

const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

impl Plain {
    fn read(text: &str) -> Plain {
        let mut fields: Vec<&str> = text.split(' ').collect();
        let quartz = fields.len() > 5;
        if !quartz {
            fields.insert(0, "0");
        }
        let numbers = |text: &str, low, high, names: &[&str]| -> BTreeSet<i64> {
            (low..=high).filter(|value| takes(text, *value, low, high, names)).collect()
        };
        let (minutes, hours) = (numbers(fields[1], 0, 59, &[]), numbers(fields[2], 0, 23, &[]));
        Plain {
            seconds: numbers(fields[0], 0, 59, &[]),
            minutes_of_day: (0..1440)
                .map(|m| hours.contains(&(m / 60)) && minutes.contains(&(m % 60)))
                .collect(),
            every_hour: hours.len() == 24,
            months: numbers(fields[4], 1, 12, &MONTHS),
            years: fields.get(6).map(|years| numbers(years, 1970, 2199, &[])),
            day_of_month: fields[3].into(),
            weekday: fields[5].into(),
            quartz,
        }
    }

    fn matches(&self, wall: i64, cached_day: &mut (i64, bool)) -> bool {
        if !self.minutes_of_day[(wall.rem_euclid(86_400) / 60) as usize] {
            return false;
        }
        let day = wall.div_euclid(86_400);
        if cached_day.0 != day {
            *cached_day = (day, self.takes_day(civil(day * 86_400).date()));
        }
        cached_day.1
    }

    fn takes_day(&self, date: Date) -> bool {
        let by_month = self.day_of_month.split(',').any(|item| takes_day_of_month(item, date));
        let by_week = self.weekday.split(',').any(|item| self.takes_weekday(item, date));
        let any = |field: &str| field == "*" || field == "?";
        let days = if any(&self.day_of_month) || any(&self.weekday) {
            by_month && by_week
        } else {
            by_month || by_week
        };
        days && self.months.contains(&i64::from(date.month()))
            && self.years.as_ref().is_none_or(|years| years.contains(&i64::from(date.year())))
    }

    fn takes_weekday(&self, item: &str, date: Date) -> bool {
        let today = i64::from(date.weekday().to_sunday_zero_offset());
        let number = |text: &str| {
            let named = WEEKDAYS.iter().position(|name| *name == text).map(|index| index as i64);
            named
                .or_else(|| text.parse::<i64>().ok().map(|n| if self.quartz { n - 1 } else { n % 7 }))
                .unwrap()
        };
        let day = i64::from(date.day());
        if item == "*" || item == "?" {
            true
        } else if item == "L" {
            today == 6
        } else if let Some((weekday, nth)) = item.split_once('#') {
            today == number(weekday) && (day + 6) / 7 == nth.parse::<i64>().unwrap()
        } else if let Some(weekday) = item.strip_suffix('L') {
            today == number(weekday) && day + 7 > i64::from(date.days_in_month())
        } else if let Some((from, to)) = item.split_once('-') {
            let (from, to) = (number(from), number(to));
            if from <= to { (from..=to).contains(&today) } else { today >= from || today <= to }
        } else {
            today == number(item)
        }
    }
}

/// `*`, `*/n`, `a/n`, `a-b`, `a-b/n`, `a` and lists of them, wrapping.
fn takes(text: &str, value: i64, low: i64, high: i64, names: &[&str]) -> bool {
    let number = |text: &str| {
        let named = names.iter().position(|name| *name == text).map(|index| index as i64 + low);
        named.or_else(|| text.parse().ok()).unwrap()
    };
    text.split(',').any(|item| {
        let (range, step) =
            item.split_once('/').map_or((item, 1), |(range, step)| (range, step.parse().unwrap()));
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((from, to)) => (number(from), number(to)),
            None if item.contains('/') => (number(range), high),
            None => (number(range), number(range)),
        };
        let to = if to < from { to + high - low + 1 } else { to };
        let later = if value < from { value + high - low + 1 } else { value };
        later <= to && (later - from) % step == 0
    })
}

fn takes_day_of_month(item: &str, date: Date) -> bool {
    if item == "*" || item == "?" {
        return true;
    }
    let last = i64::from(date.days_in_month());
    let day = i64::from(date.day());
    let (named, near) = item.strip_suffix('W').map_or((item, false), |named| (named, true));
    let wanted = match named.strip_prefix('L') {
        Some("") => last,
        Some(back) => last + back.parse::<i64>().unwrap(),
        None if near => named.parse().unwrap(),
        None => return takes(item, day, 1, 31, &[]),
    };
    if !near {
        return day == wanted;
    }
    // The nearest working day of the month: try further and further away.
    let works = |day: i64| {
        let date =
            (1..=last).contains(&day).then(|| Date::new(date.year(), date.month(), day as i8).unwrap());
        date.is_some_and(|date| !matches!(date.weekday().to_sunday_zero_offset(), 0 | 6))
    };
    (1..=last).contains(&wanted)
        && [0, -1, 1, -2, 2].into_iter().map(|away| wanted + away).find(|near| works(*near)) == Some(day)
}

fn civil(wall: i64) -> DateTime {
    Offset::UTC.to_datetime(Instant::from_second(wall).unwrap())
}

// -- random expressions -----------------------------------------------------------------------------------------------

/// An expression that likes the hours in which clocks change.
fn expression(dice: &mut Dice) -> String {
    let minute =
        dice.pick(&["0", "30", "15", "45", "0/30", "*/20", "10,50", "5-59/27", "50-10/10", "59", "*"]);
    let hours = [
        "0", "1", "2", "3", "23", "0,12", "1,2,3", "*", "*", "*/2", "1-23/2", "22-2", "0-23", "1-3", "12",
        "9-17/4", "2,3",
    ];
    let hour = dice.pick(&hours);
    let month = dice.pick(&["*", "*", "*", "*", "3,10,11", "NOV-FEB", "FEB", "*/3", "1/5", "DEC"]);
    let (day, weekday) = days(dice);
    if dice.roll(3) == 0 {
        let (day, weekday) = vixie_days(dice, day, weekday);
        return format!("{minute} {hour} {day} {month} {weekday}");
    }
    let second = dice.pick(&["0", "0", "0", "30", "59", "0/20", "55-5/5"]);
    let year = dice.pick(&[
        "",
        "",
        "",
        " *",
        " */2",
        " 2010-2027",
        " 2011,2018,2025,2026,2099-2101",
        " 2011-2101/3",
    ]);
    format!("{second} {minute} {hour} {day} {month} {weekday}{year}")
}

fn days(dice: &mut Dice) -> (&'static str, &'static str) {
    match dice.roll(4) {
        0 => ("*", "?"),
        1 => {
            let days = [
                "1", "15", "29", "30", "31", "*/2", "28-3", "L", "LW", "L-2", "L-2W", "15W", "1W", "31W",
                "1,15", "L,10", "29,L-1",
            ];
            (dice.pick(&days), "?")
        }
        2 => {
            let weekdays = [
                "SUN", "MON-FRI", "FRI-MON", "2-6", "1", "7", "L", "SUNL", "6L", "SUN#2", "1#1", "6#5",
                "SAT,SUN", "SUNL,WED",
            ];
            ("?", dice.pick(&weekdays))
        }
        _ => ("?", "*"),
    }
}

/// Five fields take either of two restricted days and have no lone `L`.
fn vixie_days(dice: &mut Dice, day: &'static str, weekday: &'static str) -> (&'static str, &'static str) {
    if dice.roll(3) == 0 {
        return (
            dice.pick(&["1", "13", "1,15", "L", "28-3"]),
            dice.pick(&["FRI", "0", "7", "5-7", "1-5", "5L", "7#1"]),
        );
    }
    let renumbered = match weekday {
        "7" | "L" => "6",
        "1" => "0",
        "2-6" => "1-5",
        same => same,
    };
    (day, renumbered)
}

// -- the comparison ---------------------------------------------------------------------------------------------------

fn timestamp(second: i64) -> Timestamp {
    Timestamp::from_millis(second as u64 * 1000)
}

fn just_before(second: i64) -> Timestamp {
    timestamp(second) - Millis::new(1)
}

fn compare(scan: &Scan, text: &str, rule: DstRule, dice: &mut Dice, met: &mut Met) {
    let schedule = CronSchedule { expression: text.into(), time_zone: scan.zone.into(), dst: rule };
    let cron = PreparedCron::new(&schedule).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
    let case = format!("{text:?} in {} by {rule:?}", scan.zone);
    let expected = scan.fires(&Plain::read(text), rule, met);
    note(scan, text, &expected, met);

    let (after, until) = (just_before(scan.from), just_before(scan.until));
    let mut found = cron.instants(after);
    for second in &expected {
        assert_eq!(found.next(), Some(timestamp(*second)), "{case}: a scan says {}", timestamp(*second));
    }
    let beyond = found.next();
    assert!(beyond.is_none_or(|beyond| beyond > until), "{case}: {beyond:?} is not in the scan");
    assert_eq!(cron.count_between(after, until), expected.len() as u64, "{case}");
    let last: Vec<_> = expected[expected.len().saturating_sub(3)..].iter().copied().map(timestamp).collect();
    assert_eq!(cron.last_between(after, until, 3), last, "{case}");
    for _ in 0..8 {
        compare_from(scan, &cron, &expected, dice, &case);
    }
}

/// From any second on: as a planner would ask.
fn compare_from(scan: &Scan, cron: &PreparedCron, expected: &[i64], dice: &mut Dice, case: &str) {
    let length = (scan.until - scan.from) as u64;
    let near_a_change = |dice: &mut Dice| {
        let change = scan.missing.get(dice.roll(scan.missing.len().max(1) as u64) as usize);
        change.map(|change| change.shifted + dice.roll(7200) as i64 - 3600)
    };
    let second = near_a_change(dice).filter(|_| dice.roll(2) == 0);
    let from = second.unwrap_or(scan.from + dice.roll(length) as i64).clamp(scan.from, scan.until);
    let until = from + dice.roll((scan.until - from + 1) as u64) as i64;
    let start = expected.partition_point(|second| *second <= from);
    let end = expected.partition_point(|second| *second <= until);
    let next: Vec<_> = expected[start..].iter().take(4).copied().map(timestamp).collect();
    let found = cron.next_after(timestamp(from), 4);
    assert_eq!(found[..next.len().min(found.len())], next, "{case} after {}", timestamp(from));
    let count = cron.count_between(timestamp(from), timestamp(until));
    assert_eq!(count, (end - start) as u64, "{case} from {} to {}", timestamp(from), timestamp(until));
}

fn note(scan: &Scan, text: &str, expected: &[i64], met: &mut Met) {
    let fields: Vec<&str> = text.split(' ').collect();
    let (day, weekday) = if fields.len() == 5 { (fields[2], fields[4]) } else { (fields[3], fields[5]) };
    let any = |field| field == "*" || field == "?";
    met.both_days += u64::from(!any(day) && !any(weekday));
    met.special_day += u64::from(day.contains(['L', 'W']) || weekday.contains(['L', '#']));
    met.wrapped +=
        u64::from(["22-2", "28-3", "FRI-MON", "NOV-FEB", "50-10"].iter().any(|wrap| text.contains(wrap)));
    met.instants += expected.len() as u64;
    met.quiet += u64::from(expected.is_empty());
    let zone = TimeZoneDatabase::bundled().get(scan.zone).unwrap();
    let dates = || {
        expected
            .iter()
            .step_by(expected.len() / 2000 + 1)
            .map(|second| civil(second + offset(&zone, *second)).date())
    };
    met.leap_day += u64::from(dates().any(|date| (date.month(), date.day()) == (2, 29)));
    met.year_end += u64::from(dates().any(|date| (date.month(), date.day()) == (12, 31)));
}

fn seed() -> u64 {
    std::env::var("RAFTSMAN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_311)
}

#[test]
fn random_expressions_fire_as_a_scan_of_four_years_says() {
    let seed = seed();
    println!("RAFTSMAN_SEED={seed}");
    let (mut dice, mut met) = (Dice(seed), Met::default());
    for (zone, from) in SCANS {
        let scan = scan(zone, from);
        for _ in 0..EXPRESSIONS_PER_SCAN {
            let text = expression(&mut dice);
            let rule = RULES[dice.roll(RULES.len() as u64) as usize];
            compare(&scan, &text, rule, &mut dice, &mut met);
        }
    }
    met.check();
}

/// The expressions that people write, under each rule, where it is hardest.
#[test]
fn common_expressions_fire_as_a_scan_says_under_every_rule() {
    let (mut dice, mut met) = (Dice(1), Met::default());
    for (zone, from) in [SCANS[2], SCANS[4], SCANS[6]] {
        let scan = scan(zone, from);
        for text in
            ["0 30 2 * * ?", "0 0 * * * ?", "0 0 0 * * ?", "45 1 * * *", "0 15/30 1-3 * * ?", "0 0 9 30 12 ?"]
        {
            for rule in RULES {
                compare(&scan, text, rule, &mut dice, &mut met);
            }
        }
    }
    assert!(met.gap > 100 && met.overlap > 100 && met.shifted_onto_regular > 10, "{met:?}");
}

/// Pieces of expressions in any order, or an expression with one character changed.
fn text(dice: &mut Dice) -> String {
    let pieces = [
        "0", "5", "31", "60", "2026", "9999", "*", "?", "/", "-", ",", "L", "W", "#", " ", " ", " ", " ",
        "MON", "JUL", "@", "@every ", "h", "m", "s", "@daily", "é", "\t", "+", "H", "* * ", "0 0 ", " ? ",
    ];
    if dice.roll(2) == 0 {
        return (0..dice.roll(14)).map(|_| dice.pick(&pieces)).collect();
    }
    let mut changed: Vec<char> = expression(dice).chars().collect();
    let place = dice.roll(changed.len() as u64) as usize;
    changed[place] = dice.pick(&pieces).chars().next().unwrap();
    changed.into_iter().collect()
}

/// No panic, no search without end.
#[test]
fn random_text_is_refused_or_understood() {
    let seed = seed();
    println!("RAFTSMAN_SEED={seed}");
    let mut dice = Dice(seed);
    let now = Timestamp::from_millis(1_800_000_000_000);
    let (mut understood, mut never) = (0, 0);
    for _ in 0..10_000 {
        let schedule = CronSchedule {
            expression: text(&mut dice),
            time_zone: "Asia/Kathmandu".into(),
            dst: DstRule::Auto,
        };
        match PreparedCron::new(&schedule) {
            Ok(cron) => {
                understood += 1;
                never += u64::from(cron.check_fires(now).is_err());
                assert!(!cron.words().is_empty());
                assert!(cron.next_after(now, 3).is_sorted_by(|a, b| a < b));
            }
            Err(errors) => assert!(errors.iter().all(|error| error.field == "cron.expression"), "{errors:?}"),
        }
    }
    assert!(understood > 500 && never > 0, "understood {understood}, of which {never} never fire");
}
