//! What a page and its lockstep host say to each other: the Worker that keeps every run, looks at any instant, goes on from it in
//! branches, judges, and draws the timeline.
//!
//! Both directions are bytes of [`cluster::codec`]. A port or a canvas that goes with a message is transferred beside them.

use cluster::Epoch;
use cluster::clock::ClockSetting;
use cluster::host::{Arriving, LogPatch, QueuesSummary, Recorded, Resume, Status, ToNode};
use raft_core::{Instant, NodeId};
use serde::{Deserialize, Serialize};

use crate::{Act, Asked};

/// Names a run: the live one is 0, the others count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId(pub u32);

/// The run that the Workers make.
pub const LIVE: RunId = RunId(0);

/// How many entries of each log are shown of an instant that is past: the last ones.
pub const ENTRIES_SHOWN_MAX: usize = 512;

/// The longest file that is opened, in bytes: its size is looked at before it is read.
pub const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// From the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToLockstep {
    /// Be the host of this cluster. Said once, after [`FromLockstep::Ready`], with the timeline's canvas.
    Begin {
        /// Its members.
        members: Vec<NodeId>,
        /// How virtual time runs, by the page's wall clock.
        clock: ClockSetting,
        /// How far the Worker's wall clock is ahead of the page's at least, in milliseconds: see [`cluster::batch::Ahead`].
        ahead_ms_least: f64,
        /// The directory of the cluster's files in the private file system; none, if the cluster is in memory only.
        home: Option<String>,
        /// What the address of the page holds of a run that is to be opened, if anything.
        link: Option<String>,
    },
    /// Here is the port (transferred along) to which a node posts what goes into it.
    Attach {
        /// The node.
        node: NodeId,
        /// Which of its boots.
        boot: u32,
    },
    /// A node's Worker is gone.
    Ended {
        /// The node.
        node: NodeId,
        /// Which of its boots.
        boot: u32,
        /// When.
        at: Instant,
    },
    /// Every Worker is ended and every client has its answer, as [`FromLockstep::Stop`] asked: the step back can be made.
    Stopped {
        /// The latest boot of each member: what is still told of these belongs to the history that is taken back.
        boots: Vec<(NodeId, u32)>,
    },
    /// A node's disk was emptied.
    Wiped {
        /// The node.
        node: NodeId,
        /// When.
        at: Instant,
    },
    /// Something was done to the live cluster that lasts, or is over.
    Fault {
        /// When.
        at: Instant,
        /// Finds it again when it ends.
        key: String,
        /// What it is; none when it is over.
        text: Option<String>,
    },
    /// What clients of the live cluster did, in order.
    Asked(Vec<(Instant, u16, Asked)>),
    /// How virtual time runs from now on.
    Clock(ClockSetting),
    /// Show this instant of the run that is shown; the present, if none.
    Look(Option<Instant>),
    /// A button or a field of the panel was used: see [`FromLockstep::Panel`].
    Do(String),
    /// Do this at the instant that is shown: in the past, or in a branch. A new branch begins there, unless it is the end of one.
    Act(Act),
    /// Open what this file holds.
    OpenFile {
        /// Its name, for what is said about it.
        name: String,
        /// What it holds.
        bytes: Vec<u8>,
    },
    /// The timeline was touched.
    Timeline(Gesture),
    /// Say what the tape makes of a state that a node says it is in: for tests.
    Check {
        /// The node.
        node: NodeId,
        /// What it says.
        recorded: Recorded,
        /// Tells the answer from others.
        request: u64,
    },
}

/// What a person does to the timeline. Places are pixels from the canvas's left and top.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Gesture {
    /// It is this large, and a pixel is so many dots.
    Size {
        /// Its width.
        width: f64,
        /// Its height.
        height: f64,
        /// Dots a pixel.
        ratio: f64,
    },
    /// Its colours, in the order of [`COLOURS`].
    Colours(Vec<String>),
    /// A finger or the mouse's button goes down.
    Press {
        /// Which.
        pointer: i32,
        /// Where.
        x: f64,
        /// Where.
        y: f64,
    },
    /// It moves, pressed or not.
    Move {
        /// Which.
        pointer: i32,
        /// Where.
        x: f64,
        /// Where.
        y: f64,
    },
    /// It goes up; not of its own will, if `whole` is false.
    Release {
        /// Which.
        pointer: i32,
        /// Where.
        x: f64,
        /// Where.
        y: f64,
        /// Whether it was lifted.
        whole: bool,
    },
    /// It has left.
    Leave,
    /// The wheel turns, by pixels.
    Wheel {
        /// Sideways.
        dx: f64,
        /// Down.
        dy: f64,
        /// Where.
        x: f64,
        /// Where.
        y: f64,
        /// Whether it pans and does not zoom.
        pans: bool,
    },
    /// A key, as browsers name it.
    Key(String),
}

/// The names of the page's colours that the timeline is drawn in: custom properties of its style.
pub const COLOURS: [&str; 15] = [
    "--panel", "--line", "--ink", "--dim", "--faint", "--accent", "--ok", "--warn", "--bad", "--bg", "--t0", "--t1",
    "--t2", "--t3", "--t4",
];

/// To the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromLockstep {
    /// The host's code runs.
    Ready {
        /// A hash of the sources it was built from.
        build: String,
        /// Its wall clock.
        wall_ms: f64,
    },
    /// The instant that is shown; none, while it is the live cluster's present.
    Shown(Option<Box<Shown>>),
    /// What stands above the timeline, as HTML: the runs, what is shown, the promises. Its buttons say by `data-do` what to
    /// tell with [`ToLockstep::Do`], and its fields by `data-say` what to put before what is typed.
    Panel(String),
    /// How many runs there are beside the live one, when that has changed: they are in the host's memory and nowhere else.
    Holds {
        /// So many.
        runs: u32,
    },
    /// Something that was asked for.
    Made {
        /// What to call it; nothing for a link, which goes to the address and the clipboard.
        name: String,
        /// Its kind, as browsers name it; nothing for an answer in JSON to what was asked under that name. If there is none, the answer
        /// says why, as `refused`.
        mime: String,
        /// The bytes; of a link, its text behind the `#`. Of a file to save none: its `Blob` goes along.
        bytes: Vec<u8>,
    },
    /// A part of a long answer to what was asked under that name: facts, as an array in JSON, that stand before those of the answer itself.
    More {
        /// What was asked.
        name: String,
        /// The facts.
        bytes: Vec<u8>,
    },
    /// Something that a person must know: what could not be done, and what helps.
    Notice(String),
    /// What the timeline shows, in words, for those who do not see it.
    Spoken {
        /// The instants that it spans, and the one that is shown.
        first: Instant,
        /// The last.
        last: Instant,
        /// The one that is shown.
        at: Instant,
        /// In words.
        text: String,
    },
    /// What is under the pointer, and where that is; nothing.
    Tip(Option<Tip>),
    /// Something was chosen: its title, and lines that explain it.
    Chosen(Option<(String, Vec<String>)>),
    /// A node was chosen.
    ChosenNode(NodeId),
    /// How high the timeline wants to be, in pixels, and its tools, as HTML: see [`FromLockstep::Panel`].
    Layout {
        /// Its height.
        height: f64,
        /// Its tools.
        tools: String,
    },
    /// Tell a node of the live cluster this.
    Tell(NodeId, ToNode),
    /// The cluster goes back in time, and all that it takes is written but the record that makes it so. End every Worker, answer
    /// every client, tell all that they did, and then say [`ToLockstep::Stopped`].
    Stop {
        /// What is gone back to.
        to: Instant,
    },
    /// The step is made, and the record says so. Start the Workers from here.
    Resume {
        /// When this is.
        at: Instant,
        /// The epoch that stands from now on.
        epoch: Epoch,
        /// Every member.
        nodes: Vec<Resumed>,
    },
    /// The step was not made. The epoch that stood stands: start the Workers again that were ended.
    Stays {
        /// What failed, in words.
        why: String,
    },
    /// Open the page anew on another of the browser's clusters.
    Open {
        /// Its name; nothing for this tab's own.
        cluster: String,
        /// Members that are not to be started yet.
        down: Vec<NodeId>,
    },
}

/// How a member goes on where its cluster went back in time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resumed {
    /// Which.
    pub id: NodeId,
    /// Whether it ran at that instant, and is to be started.
    pub runs: bool,
    /// Whether it stood still then.
    pub paused: bool,
    /// To whom its direction of the link was cut.
    pub cut: Vec<NodeId>,
    /// What it goes on from; none, if that is what its disk holds.
    pub from: Option<Resume>,
}

/// What is under the pointer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tip {
    /// What it is.
    pub title: String,
    /// When.
    pub when: String,
    /// Where.
    pub x: f64,
    /// Where.
    pub y: f64,
}

/// An instant of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// The run.
    pub run: RunId,
    /// What it is called.
    pub name: String,
    /// The instant.
    pub at: Instant,
    /// How far the run goes.
    pub end: Instant,
    /// Every member.
    pub nodes: Vec<ShownNode>,
    /// A fingerprint of the whole.
    pub hash: u64,
    /// The note that is pinned here.
    pub note: String,
}

/// One member at an instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownNode {
    /// Which.
    pub id: NodeId,
    /// Which of its boots.
    pub boot: u32,
    /// Its state, if it runs.
    pub status: Option<Status>,
    /// The end of its log: at most [`ENTRIES_SHOWN_MAX`] entries.
    pub log: LogPatch,
    /// Its queues.
    pub queues: QueuesSummary,
    /// To whom its links are cut.
    pub cut: Vec<NodeId>,
    /// What is on its way to it.
    pub arriving: Vec<Arriving>,
    /// What has changed since the instant before at which anything happened to it, in words.
    pub changed: Vec<String>,
}
