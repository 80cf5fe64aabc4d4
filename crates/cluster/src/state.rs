//! A node's state, in the shapes in which a page shows and saves it.

use ftqueue::{Command, FtQueue, QueueView};
use raft_core::{Entry, Instant, LogIndex, Payload, View};

use crate::host::{
    DescribedEntry, Description, DurableState, ITEMS_SHOWN_MAX, LogPatch, QUEUES_SHOWN_MAX, QueueSummary,
    QueuesSummary, Status,
};
use crate::replica::Replica;

/// The state, small enough to send often.
pub(crate) fn status(view: &View<'_, Replica>, paused: bool, disk_bytes: u64, bad_frames: u64) -> Status {
    Status {
        role: view.role,
        term: view.term,
        voted_for: view.voted_for,
        leader: view.leader,
        snapshot_index: view.snapshot_index(),
        last_index: view.last_index(),
        durable_index: view.durable_index,
        durable_hard_state: view.durable_hard_state,
        commit_index: view.commit_index,
        last_applied: view.last_applied,
        deadline: view.deadline,
        timeout: view.timeout,
        votes: view.votes.to_vec(),
        progress: view.progress.to_vec(),
        paused,
        sessions: sessions(view),
        disk_bytes,
        bad_frames,
    }
}

/// The queues, shortened.
pub(crate) fn queues_summary(queues: &FtQueue) -> QueuesSummary {
    let all = queues.queues();
    QueuesSummary {
        count: all.len() as u64,
        queues: all
            .take(QUEUES_SHOWN_MAX)
            .map(|queue| queue_summary(queue, ITEMS_SHOWN_MAX))
            .collect(),
    }
}

/// The log from `from` on.
pub(crate) fn log_patch(view: &View<'_, Replica>, from: LogIndex) -> LogPatch {
    let from = from.max(view.snapshot_index().next());
    let kept = from.0 - view.snapshot_index().0 - 1;
    let kept = usize::try_from(kept).unwrap_or(usize::MAX).min(view.log.len());
    LogPatch {
        from,
        entries: view.log[kept..].to_vec(),
    }
}

/// Everything.
pub(crate) fn describe(view: &View<'_, Replica>, now: Instant, disk_bytes: u64) -> Description {
    let entries = view.log.iter().zip(view.snapshot_index().0 + 1..);
    Description {
        node: view.id,
        at_us: now,
        role: view.role,
        term: view.term,
        voted_for: view.voted_for,
        leader: view.leader,
        commit_index: view.commit_index,
        last_applied: view.last_applied,
        durable: DurableState {
            term: view.durable_hard_state.term,
            voted_for: view.durable_hard_state.voted_for,
            last_index: view.durable_index,
            disk_bytes,
        },
        followers: view.progress.to_vec(),
        sessions: sessions(view),
        queues: view
            .machine
            .queues()
            .queues()
            .map(|queue| queue_summary(queue, usize::MAX))
            .collect(),
        snapshot_index: view.snapshot_index(),
        log: entries
            .map(|(entry, index)| describe_entry(LogIndex(index), entry, view.commit_index))
            .collect(),
    }
}

fn sessions(view: &View<'_, Replica>) -> u32 {
    u32::try_from(view.machine.queues().session_count()).unwrap_or(u32::MAX)
}

fn queue_summary(queue: QueueView<'_>, items_max: usize) -> QueueSummary {
    QueueSummary {
        label: queue.label,
        qid: queue.qid,
        size: queue.items.len() as u64,
        items: queue.items.iter().take(items_max).copied().collect(),
    }
}

fn describe_entry(index: LogIndex, entry: &Entry<Command>, commit_index: LogIndex) -> DescribedEntry {
    let (command, session, sequence) = match entry.payload {
        Payload::NoOp => ("no-op".to_owned(), None, None),
        Payload::Command(Command::OpenSession { .. }) => ("open_session".to_owned(), None, None),
        Payload::Command(Command::Write {
            session,
            sequence,
            write,
        }) => (write.to_string(), Some(session.to_string()), Some(sequence)),
    };
    DescribedEntry {
        index,
        term: entry.term,
        command,
        session,
        sequence,
        committed: index <= commit_index,
    }
}
