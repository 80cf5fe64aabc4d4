//! What a tape holds between two instants, told piece by piece. It keeps hold of the bytes and not of the tape, which goes on meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use cluster::codec;
use cluster::record::{Origin, Piece, Step, Told};
use raft_core::{Instant, NodeId};

use super::store::Kept;

/// What is still to be told.
#[derive(Debug, Default)]
pub struct Telling {
    seats: Vec<Seat>,
    told: usize,
    left: usize,
}

#[derive(Debug)]
struct Seat {
    id: NodeId,
    lives: VecDeque<LifeTelling>,
    /// Nothing that comes is of an earlier instant than the one; by the other it takes its turn among the members.
    last: Instant,
    reached: Instant,
}

/// One life, as far as it lies between the two instants.
#[derive(Debug)]
pub(super) struct LifeTelling {
    pub(super) boot: u32,
    pub(super) coming: VecDeque<Slice>,
}

/// A piece that is not decoded yet.
#[derive(Debug)]
pub(super) enum Slice {
    Began {
        at: Instant,
        state: Beginning,
    },
    /// The steps of some bytes, but for so many at their beginning, and not more than so many. `from` is the first instant that they name; a
    /// flush before it has that of what came before.
    Steps {
        from: Instant,
        flushes_first: bool,
        bytes: Rc<[u8]>,
        skipped: usize,
        count: usize,
    },
    Ended {
        at: Instant,
    },
}

/// As what a life begins.
#[derive(Debug)]
pub(super) enum Beginning {
    Kept(Kept),
    Origin(Origin),
}

impl Slice {
    fn at(&self) -> Instant {
        match self {
            Slice::Began { at, .. } | Slice::Ended { at } => *at,
            Slice::Steps { from, .. } => *from,
        }
    }

    fn piece(self) -> Piece {
        match self {
            Slice::Began { at, state } => Piece::Began {
                at,
                origin: match state {
                    Beginning::Kept(kept) => Origin::State(kept.bytes()),
                    Beginning::Origin(origin) => origin,
                },
            },
            Slice::Steps {
                bytes, skipped, count, ..
            } => {
                let steps: Vec<Step> = codec::decode(&bytes).unwrap_or_default();
                Piece::Steps(steps.into_iter().skip(skipped).take(count).collect())
            }
            Slice::Ended { at } => Piece::Ended { at },
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Slice::Began { state, .. } => match state {
                Beginning::Kept(kept) => kept.len(),
                Beginning::Origin(Origin::State(bytes)) => bytes.len(),
                Beginning::Origin(Origin::Disk { files, .. }) => files.iter().map(Vec::len).sum(),
            },
            Slice::Steps { bytes, .. } => bytes.len(),
            Slice::Ended { .. } => 0,
        }
    }
}

impl Telling {
    /// Another member, with its lives one after the other.
    pub(super) fn add(&mut self, id: NodeId, lives: VecDeque<LifeTelling>) {
        self.left += lives.iter().map(|life| life.coming.len()).sum::<usize>();
        let mut seat = Seat {
            id,
            lives,
            last: Instant(0),
            reached: Instant(0),
        };
        seat.arrive();
        self.seats.push(seat);
    }

    /// How much of it is told, from 0 to 1.
    pub fn done(&self) -> f64 {
        self.told as f64 / (self.told + self.left).max(1) as f64
    }

    /// About how many bytes are still to be told.
    pub fn bytes(&self) -> usize {
        let lives = self.seats.iter().flat_map(|seat| &seat.lives);
        lives.flat_map(|life| &life.coming).map(Slice::bytes).sum()
    }

    /// No piece that is still to be told holds anything before this instant; none, if all is told.
    pub fn earliest(&self) -> Option<Instant> {
        let seats = self.seats.iter().filter(|seat| !seat.lives.is_empty());
        seats.map(|seat| seat.last).min()
    }

    /// Whether what comes next begins a life: then that is told by itself.
    pub fn begins(&self) -> bool {
        let next = self.next_seat().and_then(|place| self.seats[place].lives.front());
        next.is_some_and(|life| matches!(life.coming.front(), Some(Slice::Began { .. })))
    }

    fn next_seat(&self) -> Option<usize> {
        let seats = self.seats.iter().enumerate();
        let waiting = seats.filter(|(_, seat)| !seat.lives.is_empty());
        Some(waiting.min_by_key(|(_, seat)| seat.reached)?.0)
    }

    /// All of it, member by member.
    pub(super) fn by_member(self) -> Vec<Told> {
        let mut all = Vec::with_capacity(self.left);
        for Seat { id, lives, .. } in self.seats {
            for LifeTelling { boot, coming } in lives {
                all.extend(coming.into_iter().map(|slice| Told {
                    node: id,
                    boot,
                    piece: slice.piece(),
                }));
            }
        }
        all
    }
}

/// What somebody else told, to be told by time.
impl FromIterator<Told> for Telling {
    fn from_iter<I: IntoIterator<Item = Told>>(told: I) -> Telling {
        let mut seats: BTreeMap<NodeId, VecDeque<LifeTelling>> = BTreeMap::new();
        let mut reached: BTreeMap<NodeId, Instant> = BTreeMap::new();
        for Told { node, boot, piece } in told {
            let reached = reached.entry(node).or_default();
            let slice = match piece {
                Piece::Began { origin, at } => Slice::Began {
                    at,
                    state: Beginning::Origin(origin),
                },
                Piece::Ended { at } => Slice::Ended { at },
                Piece::Steps(steps) => Slice::Steps {
                    from: steps.iter().find_map(Step::at).unwrap_or(*reached),
                    flushes_first: steps.first() == Some(&Step::Flush),
                    skipped: 0,
                    count: steps.len(),
                    bytes: codec::encode(&steps).into(),
                },
            };
            *reached = slice.at().max(*reached);
            let lives = seats.entry(node).or_default();
            match lives.back_mut().filter(|life| life.boot == boot) {
                Some(life) => life.coming.push_back(slice),
                None => lives.push_back(LifeTelling {
                    boot,
                    coming: VecDeque::from([slice]),
                }),
            }
        }
        let mut telling = Telling::default();
        seats.into_iter().for_each(|(id, lives)| telling.add(id, lives));
        telling
    }
}

/// What is told comes by time: what one node was told in its order, what several were by the instants at which it begins.
impl Iterator for Telling {
    type Item = Told;

    fn next(&mut self) -> Option<Told> {
        let place = self.next_seat()?;
        let seat = &mut self.seats[place];
        let life = seat.lives.front_mut()?;
        let (boot, slice) = (life.boot, life.coming.pop_front()?);
        self.told += 1;
        self.left -= 1;
        let piece = slice.piece();
        let last = match &piece {
            Piece::Began { at, .. } | Piece::Ended { at } => Some(*at),
            Piece::Steps(steps) => steps.iter().rev().find_map(Step::at),
        };
        seat.last = last.map_or(seat.last, |at| at.max(seat.last));
        seat.arrive();
        Some(Told {
            node: seat.id,
            boot,
            piece,
        })
    }
}

impl Seat {
    /// Comes to what is told next.
    fn arrive(&mut self) {
        while self.lives.pop_front_if(|life| life.coming.is_empty()).is_some() {}
        if let Some(slice) = self.lives.front().and_then(|life| life.coming.front()) {
            self.reached = self.reached.max(slice.at());
            if !matches!(
                slice,
                Slice::Steps {
                    flushes_first: true,
                    ..
                }
            ) {
                self.last = self.last.max(slice.at());
            }
        }
    }
}
