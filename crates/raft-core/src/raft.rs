//! The protocol.

use crate::{Config, Entry, HardState, Input, Instant, Machine, Outbox, View};

/// One member of a Raft cluster.
#[derive(Debug)]
pub struct Raft<M: Machine> {
    machine: M,
    log: Vec<Entry<M::Command>>,
}

/// What a node found on its disk at boot, all of it durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered<C> {
    /// The term and vote.
    pub hard_state: HardState,
    /// The log; the entry at index 1 comes first.
    pub log: Vec<Entry<C>>,
}

impl<M: Machine> Raft<M> {
    /// Boots a node with what its disk holds and a fresh machine. The commit index starts at 0 and is learned again.
    ///
    /// # Errors
    /// Says what is wrong with the configuration or the log.
    pub fn boot(
        config: Config,
        recovered: Recovered<M::Command>,
        machine: M,
        now: Instant,
        out: &mut Outbox<M::Command, M::Output>,
    ) -> Result<Raft<M>, BootError> {
        let _ = (config, recovered, machine, now, out);
        todo!()
    }

    /// Takes one input at `now` and says in `out` what is to be done. Total: any input in any state is taken or refused
    /// with a reason, and never panics. Instants that fall are taken as the latest one seen.
    pub fn step(&mut self, now: Instant, input: Input<M::Command>, out: &mut Outbox<M::Command, M::Output>) {
        let _ = (now, input, out);
        todo!()
    }

    /// When to call `step(Tick)` next. Answers may change with every step.
    pub fn deadline(&self) -> Instant {
        todo!()
    }

    /// The state, for those who look.
    pub fn view(&self) -> View<'_, M> {
        let _ = (&self.machine, &self.log);
        todo!()
    }
}

/// Why a node cannot boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootError {
    /// The members are none, too many, not in rising order, or lack this node.
    Members,
    /// The election timeouts are zero, reversed, or not longer than the heartbeat.
    Timing,
    /// The terms in the log fall, are 0, or exceed the node's own.
    Log,
}
