//! Why a row is not carried, or not quite as it was. The codes are part of the report: they never change their meaning.

use std::fmt;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)+) => {
        /// A code of the report; `docs/migrating-from-lts.md` lists them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            pub const ALL: &[Reason] = &[$(Reason::$name,)+];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Reason::$name => $code,)+
                }
            }

            /// One sentence for the documentation.
            pub fn about(self) -> &'static str {
                match self {
                    $(Reason::$name => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

reasons! {
    /// The row cannot be read: a column is missing, or has what LTS would not write there.
    RowUnreadable = "ROW_UNREADABLE",
    /// Its parameters are not a JSON object, so the job would run without them.
    ParamsUnreadable = "PARAMS_UNREADABLE",
    /// A value breaks a bound of Raftsman, such as a name of more than 64 characters; the message names the field.
    FieldInvalid = "FIELD_INVALID",
    /// The expression has not LTS's 6 or 7 fields: LTS could not read it either, so it never fired.
    CronNotQuartz = "CRON_NOT_QUARTZ",
    /// The expression cannot be read; the message says why.
    CronInvalid = "CRON_INVALID",
    /// The expression never fires again.
    CronNoFuture = "CRON_NO_FUTURE",
    /// All its cycles are over, or the one that executes is the last.
    RepeatFinished = "REPEAT_FINISHED",
    /// A job with this task id and node group came before: from an earlier row, or from a table that takes precedence.
    DuplicateKey = "DUPLICATE_KEY",
    /// It executed when it was exported: let LTS finish it, then export again.
    Executing = "EXECUTING",
    /// A cycle of a periodic job whose template is in none of the files, or is not carried itself.
    TemplateNotCarried = "TEMPLATE_NOT_CARRIED",
    /// The cluster refused the job; the message has its reason.
    ClusterRefused = "CLUSTER_REFUSED",
    /// Nothing was tried: the cluster could not be reached any more. Run the import again.
    NotTried = "NOT_TRIED",

    /// It was due before the import and runs at once.
    OverdueRunsNow = "OVERDUE_RUNS_NOW",
    /// The waiting cycle was due before the import and does not run; the schedule goes on with its next instant.
    OverdueCycleSkipped = "OVERDUE_CYCLE_SKIPPED",
    /// The waiting cycle was a retry; the schedule goes on with a fresh run at its next instant.
    RetryOfCycleDropped = "RETRY_OF_CYCLE_DROPPED",
    /// Some retries were used up in LTS; it keeps the others.
    RetriesUsed = "RETRIES_USED",
    /// LTS's cap of retries for the whole cluster holds for it now as its own.
    RetriesCapped = "RETRIES_CAPPED",
    /// Cycles that ran in LTS are taken off its count.
    CountContinues = "COUNT_CONTINUES",
    /// The first fire time is unknown: its grid begins at its trigger time.
    GridGuessed = "GRID_GUESSED",
    /// It did not wait for its previous cycle: LTS ran all that were missed, here at most 1,000 of them are caught up.
    CatchUpBounded = "CATCH_UP_BOUNDED",
    /// A tracker had locked the row when it was exported: make sure that no TaskTracker ran it.
    Locked = "LOCKED",
    /// A parameter was not text; its JSON text is carried.
    ParamsConverted = "PARAMS_CONVERTED",
    /// It asked for feedback and names no group of JobClients that could hear it.
    FeedbackNotCarried = "FEEDBACK_NOT_CARRIED",
    /// It was imported before with other options, or a repeat job at another time; it stays as it is.
    ImportedOtherwise = "IMPORTED_OTHERWISE",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A reason with what is special about this row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub reason: Reason,
    pub message: String,
}

impl Note {
    pub fn new(reason: Reason, message: impl Into<String>) -> Note {
        Note { reason, message: message.into() }
    }
}
