//! What a node is told at boot: who the members are, how fast timers run, which rules hold.

use serde::{Deserialize, Serialize};

use crate::{NodeId, Timing};

/// How many members a cluster may have.
pub const MEMBERS_MAX: usize = 9;
/// How many bytes of commands one AppendEntries carries, unless a single command is larger.
pub const APPEND_BYTES_MAX: usize = 64 * 1024;
/// How many entries one AppendEntries carries.
pub const APPEND_ENTRIES_MAX: usize = 1024;
/// How many bytes of commands may be on the way to one follower, unacknowledged.
pub const INFLIGHT_BYTES_MAX: usize = 256 * 1024;
/// How many appends may be on the way to one follower, unacknowledged.
pub const INFLIGHT_APPENDS_MAX: usize = 64;
/// How many committed entries a node applies in one step. The rest follows in the next ones.
pub const APPLY_ENTRIES_MAX: usize = 1024;
/// How many entries a log keeps once they are applied, unless a host says otherwise (see [`Config::compact_after`]).
pub const COMPACT_AFTER_ENTRIES: u64 = 4096;
/// How many bytes of a snapshot one InstallSnapshot carries.
pub const SNAPSHOT_PART_BYTES_MAX: usize = 64 * 1024;
/// How many parts of a snapshot may be on the way to one follower, unacknowledged.
pub const SNAPSHOT_PARTS_INFLIGHT_MAX: usize = 8;
/// How many times as many entries as it usually does a leader keeps for a follower to which it sends a snapshot, so that the
/// follower finds in the log what comes behind it.
pub const KEPT_FOR_TRANSFER: u64 = 8;
/// How many entries it keeps for that at most.
pub const KEPT_FOR_TRANSFER_ENTRIES_MAX: u64 = 256 * 1024;
/// How many bytes a snapshot has at most. A machine is to be limited so that it never needs more.
pub const SNAPSHOT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How many proposals and reads of its own clients a leader keeps waiting.
pub const PENDING_REQUESTS_MAX: usize = 4096;

/// What a node is told at boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// This node.
    pub id: NodeId,
    /// Every member, this node among them, in rising order, 1 to [`MEMBERS_MAX`].
    pub members: Vec<NodeId>,
    /// How fast timers run.
    pub timing: Timing,
    /// Seeds the node's random numbers. A host gives a new seed at every boot.
    pub seed: u64,
    /// Which of Raft's rules hold.
    pub rules: Rules,
    /// After how many applied entries a snapshot is taken, at least 1. It takes their place in the log when as many again
    /// have been applied, so that a follower that lags a little finds what it lacks.
    pub compact_after: u64,
}

impl Config {
    /// How many members make a majority.
    pub fn majority(&self) -> usize {
        self.members.len() / 2 + 1
    }
}

macro_rules! rules {
    ($( $(#[doc = $doc:literal])+ $field:ident, $variant:ident, $paper:literal; )+) => {
        /// Raft's rules, each of which can be switched off to show what it is for. All on by default; a run with
        /// any of them off is *ablated* and must be labelled so wherever it is shown.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Rules { $( $(#[doc = $doc])+ pub $field: bool, )+ }

        /// One rule of [`Rules`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Rule { $( $(#[doc = $doc])+ $variant, )+ }

        impl Rule {
            /// Every rule, in the order of the paper.
            pub const ALL: &'static [Rule] = &[ $( Rule::$variant, )+ ];

            /// The rule's name, as commands and files spell it.
            pub fn name(self) -> &'static str {
                match self { $( Rule::$variant => stringify!($field), )+ }
            }

            /// Where the paper states the rule.
            pub fn paper(self) -> &'static str {
                match self { $( Rule::$variant => $paper, )+ }
            }
        }

        impl Default for Rules {
            fn default() -> Rules { Rules { $( $field: true, )+ } }
        }

        impl Rules {
            /// All rules but one.
            pub fn without(rule: Rule) -> Rules {
                let mut rules = Rules::default();
                match rule { $( Rule::$variant => rules.$field = false, )+ }
                rules
            }

            /// The rules that are switched off.
            pub fn ablated(&self) -> Vec<Rule> {
                let mut off = Vec::new();
                $( if !self.$field { off.push(Rule::$variant); } )+
                off
            }
        }
    };
}

rules! {
    /// A node votes once a term.
    vote_once, VoteOnce, "§5.2";
    /// The vote is cleared only when the term advances.
    vote_kept_in_term, VoteKeptInTerm, "§5.2";
    /// A leader, having voted for itself, gives no vote in its term.
    leader_keeps_its_vote, LeaderKeepsItsVote, "§5.2";
    /// The vote is written down, not only the term.
    persist_vote, PersistVote, "§5.2, figure 2";
    /// A vote goes only to a log at least as up to date.
    compare_logs_before_voting, CompareLogsBeforeVoting, "§5.4.1";
    /// Logs are compared by last term first, and by length only within the same term.
    compare_term_before_length, CompareTermBeforeLength, "§5.4.1";
    /// A majority is more than half of the members.
    full_majority, FullMajority, "§5.2";
    /// A message of a newer term makes its receiver a follower of that term.
    newer_term_steps_down, NewerTermStepsDown, "§5.1";
    /// An append of an older term is refused.
    refuse_stale_append, RefuseStaleAppend, "§5.1";
    /// An append is taken only where the previous entry matches; a heartbeat is no exception.
    check_previous_entry, CheckPreviousEntry, "§5.3";
    /// Heartbeats make the check of the previous entry too.
    check_previous_entry_of_heartbeats, CheckPreviousEntryOfHeartbeats, "§5.3";
    /// Entries are dropped only on a conflict.
    truncate_only_on_conflict, TruncateOnlyOnConflict, "§5.3";
    /// On a conflict, the entry and all that follow it are dropped.
    drop_tail_on_conflict, DropTailOnConflict, "§5.3";
    /// A follower acknowledges what the append showed to match, not the end of its own log.
    acknowledge_only_what_matched, AcknowledgeOnlyWhatMatched, "§5.3";
    /// A leader's idea of what a follower has never moves back.
    match_index_never_falls, MatchIndexNeverFalls, "§5.3";
    /// Only entries of the leader's own term are committed by counting copies.
    commit_own_term_only, CommitOwnTermOnly, "§5.4.2";
    /// A follower's commit index goes no further than the last entry the append showed to match.
    commit_bounded_by_match, CommitBoundedByMatch, "§5.3, figure 2";
    /// A snapshot of what is committed here already changes nothing.
    ignore_old_snapshot, IgnoreOldSnapshot, "§7";
    /// A snapshot takes the place of a log that does not hold its last entry.
    drop_log_behind_snapshot, DropLogBehindSnapshot, "§7";
    /// A leader opens its term with a no-op.
    no_op_on_election, NoOpOnElection, "§8";
    /// No message leaves before the bytes it rests on are durable.
    wait_for_fsync, WaitForFsync, "figure 2";
    /// A write that completes after its entries were overwritten counts for nothing.
    ignore_late_fsync, IgnoreLateFsync, "figure 2";
    /// A read waits until a majority has confirmed the leader after the read arrived.
    confirm_leadership_before_read, ConfirmLeadershipBeforeRead, "§8";
    /// Only an answer that accepts what its leader of this very term sent confirms that leader; a refusal for a term that has
    /// passed confirms nothing.
    only_acceptance_confirms, OnlyAcceptanceConfirms, "§8";
    /// A new leader serves no read before it has committed an entry of its own term.
    commit_before_read, CommitBeforeRead, "§8";
    /// A read waits until the machine has applied all that was committed when it arrived.
    apply_before_read, ApplyBeforeRead, "§8";
    /// A read waits for a round that the leader numbered, and not for a token that its client chose.
    own_read_tokens, OwnReadTokens, "§8";
    /// A write that is sent again is recognised by every copy of the machine. The host's rule.
    deduplicate_in_machine, DeduplicateInMachine, "§8";
    /// A session is known by its place in the log and by what its client drew at random, for places are given out anew where
    /// history is taken back. The host's rule.
    session_carries_nonce, SessionCarriesNonce, "§8";
    /// What the machine remembers of its clients is part of a snapshot. The host's rule.
    sessions_in_snapshot, SessionsInSnapshot, "§7, §8";
    /// Term and vote are written as one. The host's rule.
    hard_state_in_one_record, HardStateInOneRecord, "figure 2";
    /// What a node finds on its disk and no record vouches for is written once more before it is flushed: a flush of it may have failed.
    /// The host's rule.
    rewrite_after_failed_flush, RewriteAfterFailedFlush, "figure 2";
    /// A disk's count of the bytes that it wrote is believed only if it can be true and the file has grown by it. The host's rule.
    believe_only_plausible_counts, BelieveOnlyPlausibleCounts, "figure 2";
    /// A log or a message of another epoch, which is another history of the cluster, is refused. The host's rule.
    refuse_other_epoch, RefuseOtherEpoch, "figure 2";
    /// A node that finds damage in what it acknowledged takes no part. The host's rule.
    refuse_damaged_log, RefuseDamagedLog, "figure 2";
}
