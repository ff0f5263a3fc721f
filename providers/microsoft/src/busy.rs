//! What blocks the agent: the one place where it is decided.

/// Whether an event or a piece of free/busy blocks the agent.
///
/// | Outlook shows | blocks | why |
/// |---|---|---|
/// | `free` | no | the agent said so; all-day events are free unless set otherwise |
/// | `workingElsewhere` | no | the agent works, only elsewhere; Outlook's own availability view counts it as free, and so do the feeds it publishes |
/// | `tentative` | yes | the agent may go; invitations that are not answered yet are tentative |
/// | `busy` | yes | |
/// | `oof` | yes | out of office |
/// | `unknown`, or a word that is new | yes | unknown is busy |
/// | anything, but cancelled by its organizer | no | it will not take place |
/// | anything, but declined by the agent | no | the agent will not go |
///
/// Whether it lasts all day changes nothing. `showAs` and `status` have the same words
/// (<https://learn.microsoft.com/graph/api/resources/event>,
/// <https://learn.microsoft.com/graph/api/resources/scheduleitem>).
pub(crate) fn blocks(shown_as: Option<&str>, cancelled: bool, declined: bool) -> bool {
    let free = matches!(shown_as, Some("free" | "workingElsewhere"));
    !free && !cancelled && !declined
}

/// The same for a slot of an `availabilityView`
/// (<https://learn.microsoft.com/graph/api/resources/scheduleinformation>).
pub(crate) fn slot_blocks(slot: char) -> bool {
    // 0 is free or working elsewhere; older servers told the latter as 4.
    !matches!(slot, '0' | '4')
}

#[cfg(test)]
mod tests {
    use super::{blocks, slot_blocks};

    #[test]
    fn only_what_surely_blocks_nobody_is_free() {
        for (shown_as, expected) in [
            (Some("free"), false),
            (Some("workingElsewhere"), false),
            (Some("tentative"), true),
            (Some("busy"), true),
            (Some("oof"), true),
            (Some("unknown"), true),
            (Some("inventedLater"), true),
            (None, true),
        ] {
            assert_eq!(blocks(shown_as, false, false), expected, "{shown_as:?}");
            assert!(!blocks(shown_as, true, false), "cancelled, {shown_as:?}");
            assert!(!blocks(shown_as, false, true), "declined, {shown_as:?}");
        }
    }

    #[test]
    fn slots_have_the_same_meaning() {
        let blocking: String = "012345".chars().filter(|slot| slot_blocks(*slot)).collect();
        assert_eq!(blocking, "1235");
    }
}
