//! Times of day and blocks: what is accepted, refused, and kept.

use chrono::Weekday;

use crate::scheduling::{
    BlockProblem, BlocksError, DayBlocks, LocalTime, MAX_BLOCKS_A_DAY, TimeBlock, WeeklyBlock,
    WeeklyBlocks,
};

use super::block;

fn time(text: &str) -> LocalTime {
    text.parse().unwrap()
}

fn on(day: Weekday, text: &str) -> WeeklyBlock {
    WeeklyBlock { day, block: block(text) }
}

#[test]
fn a_time_of_day_is_read_strictly() {
    assert_eq!(time("00:00"), LocalTime::MIDNIGHT);
    assert_eq!(time("24:00"), LocalTime::END_OF_DAY);
    assert_eq!(time("23:59").minutes(), 1439);
    let refused = [
        "",
        "9:00",
        "09:0",
        "09:000",
        "009:00",
        "24:01",
        "25:00",
        "12:60",
        "-1:00",
        "+9:00",
        "09-00",
        "09:00:00",
        " 09:00",
        "09:00 ",
        "٠٩:٠٠",
        "0९:00",
        "aa:bb",
        "9.5:0",
    ];
    for text in refused {
        assert_eq!(text.parse::<LocalTime>().unwrap_err().value, text, "{text:?} is no time");
    }
}

#[test]
fn a_refused_time_is_named_and_cut() {
    let error = "25:00".parse::<LocalTime>().unwrap_err();
    assert_eq!(error.to_string(), r#"not a time of day as HH:MM, 00:00 to 24:00: "25:00""#);
    assert_eq!("x".repeat(10_000).parse::<LocalTime>().unwrap_err().value.len(), 32);
}

#[test]
fn every_time_of_day_is_written_as_it_is_read() {
    for minutes in 0..=1440 {
        let time = LocalTime::from_minutes(minutes).unwrap();
        assert_eq!(time.to_string().parse(), Ok(time));
    }
    assert_eq!(LocalTime::from_minutes(1441), None);
}

#[test]
fn a_block_starts_before_it_ends() {
    for (start, end) in [("17:00", "09:00"), ("09:00", "09:00"), ("24:00", "24:00")] {
        let (start, end) = (time(start), time(end));
        assert_eq!(TimeBlock::new(start, end), Err(BlockProblem::Backwards { start, end }));
    }
    let message = TimeBlock::new(time("17:00"), time("09:00")).unwrap_err().to_string();
    assert_eq!(message, "a block must start before it ends on the same day: 17:00 to 09:00");
}

#[test]
fn a_week_is_sorted_and_blocks_may_touch() {
    let (monday, tuesday, sunday) = (Weekday::Mon, Weekday::Tue, Weekday::Sun);
    let week = vec![
        on(sunday, "09:00-10:00"),
        on(tuesday, "12:00-24:00"),
        on(monday, "13:00-14:00"),
        on(tuesday, "00:00-12:00"),
        on(monday, "12:00-13:00"),
    ];
    let sorted = [4, 2, 3, 1, 0].map(|index: usize| week[index]);
    assert_eq!(WeeklyBlocks::new(week).unwrap().as_slice(), sorted);
}

#[test]
fn overlap_names_both_blocks_as_the_caller_counts_them() {
    let monday = Weekday::Mon;
    let week = vec![
        on(monday, "12:00-13:00"),
        on(Weekday::Tue, "09:00-12:00"),
        on(monday, "09:00-11:00"),
        on(monday, "10:59-12:00"),
    ];
    let error = WeeklyBlocks::new(week).unwrap_err();
    let (block, with) = (block("10:59-12:00"), block("09:00-11:00"));
    let problem = BlockProblem::Overlaps { other: 2, block, with };
    assert_eq!(error, BlocksError { index: 3, problem });
    assert_eq!(
        error.to_string(),
        "block 3: the block 10:59 to 12:00 overlaps 09:00 to 11:00 of the same day"
    );
}

#[test]
fn the_later_input_is_the_one_refused() {
    let same_start = ["09:00-17:00", "09:00-10:00"].map(block).to_vec();
    assert_eq!(DayBlocks::new(same_start).unwrap_err().index, 1);
    let long_one_last = ["12:00-13:00", "09:00-17:00"].map(block).to_vec();
    let error = DayBlocks::new(long_one_last).unwrap_err();
    assert!(matches!(error.problem, BlockProblem::Overlaps { other: 0, .. }), "{error}");
    assert_eq!(error.index, 1);
}

#[test]
fn a_day_has_twelve_blocks_at_most() {
    let hours = |count: u16| -> Vec<TimeBlock> {
        let hour = |h: u16| LocalTime::from_minutes(h * 60).unwrap();
        (0..count).map(|h| TimeBlock::new(hour(h), hour(h + 1)).unwrap()).collect()
    };
    assert_eq!(DayBlocks::new(hours(12)).unwrap().as_slice().len(), MAX_BLOCKS_A_DAY);
    let error = DayBlocks::new(hours(13)).unwrap_err();
    assert_eq!(error, BlocksError { index: 12, problem: BlockProblem::TooMany { count: 13 } });

    // Twelve a day is fine on each day, and the excess is found among other days' blocks.
    let mut week = vec![on(Weekday::Sun, "09:00-10:00")];
    week.extend(hours(12).into_iter().map(|block| WeeklyBlock { day: Weekday::Mon, block }));
    assert!(WeeklyBlocks::new(week.clone()).is_ok());
    week.push(on(Weekday::Mon, "23:00-24:00"));
    assert_eq!(WeeklyBlocks::new(week).unwrap_err().index, 13);
}

#[test]
fn blocks_are_kept_as_json() {
    let week = vec![on(Weekday::Sun, "09:00-24:00"), on(Weekday::Mon, "00:00-12:30")];
    let week = WeeklyBlocks::new(week).unwrap();
    let json = serde_json::to_string(&week).unwrap();
    assert_eq!(json, r#"[{"day":1,"start":0,"end":750},{"day":7,"start":540,"end":1440}]"#);
    assert_eq!(serde_json::from_str::<WeeklyBlocks>(&json).unwrap(), week);

    let day = super::day(&["09:00-12:00"]);
    let json = serde_json::to_string(&day).unwrap();
    assert_eq!(json, r#"[{"start":540,"end":720}]"#);
    assert_eq!(serde_json::from_str::<DayBlocks>(&json).unwrap(), day);
}

#[test]
fn kept_blocks_are_checked_when_read() {
    let refused = [
        r#"[{"day":0,"start":0,"end":60}]"#,
        r#"[{"day":8,"start":0,"end":60}]"#,
        r#"[{"day":1,"start":60,"end":60}]"#,
        r#"[{"day":1,"start":0,"end":1441}]"#,
        r#"[{"day":1,"start":-1,"end":60}]"#,
        r#"[{"day":1,"start":0,"end":60},{"day":1,"start":59,"end":90}]"#,
    ];
    for json in refused {
        assert!(serde_json::from_str::<WeeklyBlocks>(json).is_err(), "{json}");
    }
    assert!(
        serde_json::from_str::<DayBlocks>(r#"[{"start":0,"end":60},{"start":0,"end":1}]"#).is_err()
    );
    assert!(serde_json::from_str::<TimeBlock>(r#"{"start":60,"end":0}"#).is_err());
}
