//! Rules that can be broken.

macro_rules! flaws {
    ($($name:ident),+ $(,)?) => {
        /// The rule that is broken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Flaw { None, $($name),+ }

        impl Flaw {
            /// Every one but [`Flaw::None`].
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];
        }
    };
}

flaws! {
    // Reading.
    FailureIsEmpty,
    UnknownIsEmpty,
    ClosedIntervals,
    MissesWhatBeganBefore,
    TransparentIsBusy,
    OwnersMix,
    FirstPageOnly,
    OutsideUnseen,
    UidMangled,
    WindowIsOneDay,
    SecondReadIsEmpty,
    EmptyIsBusy,
    Panics,
    // Recurrence and whole days.
    SeriesIsItsFirst,
    SeriesInUtc,
    SeriesKeepsFirstOffset,
    SeriesEndsInAYear,
    UntilExcluded,
    BydayIgnored,
    ExdatesIgnored,
    MovedIgnored,
    MovedStaysToo,
    WholeDaysInUtc,
    WholeDaysOf24Hours,
    SeriesUntold,
    SeriesOnlyAdds,
    SeriesSharesOneRef,
    // Writing.
    PutAlwaysCreates,
    PutRacesItself,
    MoveLost,
    TitleLost,
    LongTitleRefused,
    TitleEscaped,
    VersionStays,
    ReadsBackLate,
    InventsEvents,
    DeleteFailsWhenGone,
    DeleteByTime,
    DeleteForgets,
    DeleteKeepsTheTime,
    DeletedIsForGood,
    FoldTakesFirstPass,
    WinterOffsetAllYear,
    ZonesRoundToHours,
    LockLeftBehind,
    DeleteLockLeftBehind,
    OneWriterAtATime,
    RefusesEvenIfUnsupported,
    // References.
    TrustsReferences,
    NeedsTheReference,
    FindsByReferenceAlone,
    DeletesByReferenceAlone,
    NewReferenceEachTime,
    // Conferences.
    ConferenceUnasked,
    ConferencePendingForEver,
    ConferenceAnewEachTime,
    ConferenceShared,
    ConferencePromised,
    // Failing.
    TokenInError,
    RevokedIsTransient,
    OutageSwallowsWrites,
    RefusalIsUnauthorized,
    OverwritesOthers,
    // Following.
    DeletionUntold,
    TellsEverythingAgain,
    MoveUntold,
    ReplayIsEmpty,
    BadCursorBeginsAgain,
    ForgottenIsEmpty,
    OnlyOwnToldFirst,
    // Calendars of the account.
    ConnectedUnlisted,
    ListedTwice,
    ListedButGone,
    ListsForAnyone,
    PickIgnored,
    AlsoBusyIgnored,
    AlsoBusyGoneIsFree,
    FollowsAlsoBusy,
    // Connecting.
    BadId,
    NoFields,
    ClientUnused,
    ConnectsAnyone,
    ConnectsNowhere,
    // Pushing.
    WatchesTooLong,
    OneWatchRef,
    CanNotProlong,
    ProlongsNothing,
    UnwatchFailsWhenEnded,
    NeverPushes,
    PushesOn,
    PushUnchecked,
    PushNeedsNoSecret,
    PushByPrefix,
    GarbagePanics,
    PushOnce,
    PushMeansNothing,
    HandshakeInHtml,
    WatchesAnyone,
}
