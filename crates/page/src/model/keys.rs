//! What a key is for: decided here from what was pressed and where the focus is, and done by the page.

use raft_core::NodeId;

/// A key that has gone down.
#[derive(Clone, Copy, Debug)]
pub struct Press<'a> {
    /// What it types on this keyboard, or its name: `KeyboardEvent.key`.
    pub key: &'a str,
    /// Shift is held.
    pub shift: bool,
    /// Control, Alt or the system's own key is held: then it is the browser's.
    pub modified: bool,
    /// It has been held down for a while.
    pub repeat: bool,
    /// Something was done when it went down, and it is held yet.
    pub was_done: bool,
    /// An input method composes a character of it.
    pub composing: bool,
    /// Where the focus is.
    pub focus: Focus,
    /// Enter and the space bar press what has the focus.
    pub on_control: bool,
    /// Keys that type a single character are switched on.
    pub single: bool,
}

/// Where the focus is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    /// Where text is typed or chosen.
    Text,
    /// On a node of the ring.
    Node(NodeId),
    /// Elsewhere in the cluster's panel.
    Cluster,
    /// On the picture of the timeline.
    Slider,
    /// Elsewhere in the timeline's panel.
    Timeline,
    /// In neither panel, or nowhere.
    Elsewhere,
}

/// What a key does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Crashes a node that runs, starts one that does not.
    Toggle(NodeId),
    /// Pauses a node, or lets it go on.
    Pause(NodeId),
    /// Isolates a node, or lets it rejoin.
    Isolate(NodeId),
    /// Opens a node's menu.
    Menu(NodeId),
    /// Goes from a node, or from the panel, to the node that is so many places on.
    Neighbour(Option<NodeId>, i32),
    /// Stops time, or lets it run.
    Time,
    /// Lets a little time pass.
    Step,
    /// Has time run faster.
    Faster,
    /// Has time run slower.
    Slower,
    /// Has time run as fast as it does.
    RealTime,
    /// Goes to the command line.
    CommandLine,
    /// Opens the load generator, or closes it.
    Load,
    /// Opens the settings.
    Settings,
    /// Shows the next theme.
    Theme,
    /// Opens the list of keys.
    Help,
    /// Something that the timeline knows by this key; with a capital letter it goes the other way.
    Timeline(String),
    /// Nothing more: it is held, and was done when it went down.
    Done,
}

/// What is done on a key, if it is for anything.
pub fn action(press: Press<'_>) -> Option<Action> {
    if press.composing || press.modified {
        return None;
    }
    if press.focus == Focus::Text {
        // What went to a field by a key that is held yet does not type it there.
        return (press.repeat && press.was_done).then_some(Action::Done);
    }
    let action = of_name(press).or_else(|| of_character(press))?;
    let only_moves = matches!(action, Action::Timeline(_) | Action::Neighbour(..));
    Some(if press.repeat && !only_moves {
        Action::Done
    } else {
        action
    })
}

/// What keys do that type nothing, and the space bar: whatever is switched off, these are not.
fn of_name(press: Press<'_>) -> Option<Action> {
    let by = match press.key {
        "ArrowRight" | "ArrowDown" => 1,
        "ArrowLeft" | "ArrowUp" => -1,
        _ => 0,
    };
    match (press.focus, press.key) {
        // Browsers press a button again and again while Enter is held.
        (_, "Enter") if press.on_control && press.repeat => Some(Action::Done),
        (Focus::Elsewhere, _) => None,
        (_, " ") if !press.on_control => Some(Action::Time),
        (Focus::Node(id), _) if by != 0 => Some(Action::Neighbour(Some(id), by)),
        (Focus::Cluster, _) if by != 0 && !press.on_control => Some(Action::Neighbour(None, by)),
        (Focus::Slider, "Home" | "End" | "PageUp" | "PageDown" | "Enter" | "Escape") => {
            Some(Action::Timeline(press.key.to_owned()))
        }
        (Focus::Slider, _) if by != 0 => Some(Action::Timeline(press.key.to_owned())),
        _ => None,
    }
}

/// What keys do that type a character. With Caps Lock on, a letter does the same.
fn of_character(press: Press<'_>) -> Option<Action> {
    let mut characters = press.key.chars();
    let (Some(character), None, true) = (characters.next(), characters.next(), press.single) else {
        return None;
    };
    match (press.focus, character.to_ascii_lowercase()) {
        (_, '?') => Some(Action::Help),
        (_, '/') => Some(Action::CommandLine),
        (Focus::Elsewhere, _) => None,
        (Focus::Node(id), 'p') => Some(Action::Pause(id)),
        (Focus::Node(id), 'i') => Some(Action::Isolate(id)),
        (Focus::Node(id), 'm') => Some(Action::Menu(id)),
        (_, digit @ '1'..='9') => Some(Action::Toggle(NodeId(digit as u8 - b'0'))),
        (_, '0') => Some(Action::RealTime),
        (_, '-') => Some(Action::Slower),
        (_, '+' | '=') => Some(Action::Faster),
        (_, 'g') => Some(Action::Step),
        (_, 'l') => Some(Action::Load),
        (_, 'o') => Some(Action::Settings),
        (_, 't') => Some(Action::Theme),
        (_, letter @ ('a' | 'd' | 'w' | 's' | 'f' | 'e' | 'c' | 'x' | 'm' | 'v' | 'n' | ',' | '.')) => {
            let letter = if press.shift {
                letter.to_ascii_uppercase()
            } else {
                letter
            };
            Some(Action::Timeline(letter.to_string()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key without more, in the cluster's panel.
    fn plain(key: &str) -> Press<'_> {
        Press {
            key,
            shift: false,
            modified: false,
            repeat: false,
            was_done: false,
            composing: false,
            focus: Focus::Cluster,
            on_control: false,
            single: true,
        }
    }

    fn on(focus: Focus, key: &str) -> Option<Action> {
        action(Press { focus, ..plain(key) })
    }

    fn timeline(key: &str) -> Option<Action> {
        Some(Action::Timeline(key.to_owned()))
    }

    const NODE: Focus = Focus::Node(NodeId(3));
    const ALL: [Focus; 6] = [
        Focus::Text,
        NODE,
        Focus::Cluster,
        Focus::Slider,
        Focus::Timeline,
        Focus::Elsewhere,
    ];

    #[test]
    fn what_a_key_types_counts_and_not_where_it_is() {
        // A French keyboard types digits with Shift, and - " ' without; a German one types / with Shift and 7.
        let shifted = |key| {
            action(Press {
                shift: true,
                ..plain(key)
            })
        };
        assert_eq!(shifted("6"), Some(Action::Toggle(NodeId(6))));
        assert_eq!(action(plain("-")), Some(Action::Slower));
        assert_eq!(action(plain("\"")), None);
        assert_eq!(action(plain("'")), None);
        assert_eq!(shifted("/"), Some(Action::CommandLine));
        assert_eq!(shifted("?"), Some(Action::Help));
        assert_eq!(shifted("!"), None);
        for digit in 1..=9 {
            assert_eq!(action(plain(&digit.to_string())), Some(Action::Toggle(NodeId(digit))));
        }
        assert_eq!(action(plain("0")), Some(Action::RealTime));
        for other in ["", "é", "Tab", "F1", "Dead", "Process", "Unidentified", "12"] {
            assert_eq!(action(plain(other)), None, "{other:?}");
        }
    }

    #[test]
    fn caps_lock_changes_nothing_and_shift_goes_the_other_way() {
        for (small, capital) in [("l", "L"), ("o", "O"), ("t", "T"), ("g", "G")] {
            assert!(action(plain(small)).is_some());
            assert_eq!(action(plain(small)), action(plain(capital)));
        }
        assert_eq!(on(NODE, "P"), Some(Action::Pause(NodeId(3))));
        for key in ["e", "E"] {
            assert_eq!(action(plain(key)), timeline("e"));
            let shifted = Press {
                shift: true,
                ..plain(key)
            };
            assert_eq!(action(shifted), timeline("E"), "Caps Lock turns Shift round");
        }
    }

    #[test]
    fn a_letter_has_one_meaning_in_both_panels() {
        for letter in "abcdefghijklmnopqrstuvwxyz0123456789+-=,.".chars().map(String::from) {
            let meant = on(Focus::Cluster, &letter);
            assert_eq!(on(Focus::Slider, &letter), meant, "{letter}");
            assert_eq!(on(Focus::Timeline, &letter), meant, "{letter}");
            if !"pim".contains(&letter) {
                assert_eq!(on(NODE, &letter), meant, "{letter}");
            }
        }
        assert_eq!(on(Focus::Cluster, "e"), timeline("e"), "as the tooltip says");
        assert_eq!(on(NODE, "m"), Some(Action::Menu(NodeId(3))));
    }

    #[test]
    fn elsewhere_single_keys_do_nothing() {
        for key in "abcdefghijklmnopqrstuvwxyz0123456789+-=,. ".chars().map(String::from) {
            assert_eq!(on(Focus::Elsewhere, &key), None, "{key:?}");
            assert_eq!(on(Focus::Text, &key), None, "{key:?}");
        }
        assert_eq!(on(Focus::Elsewhere, "?"), Some(Action::Help));
        assert_eq!(on(Focus::Elsewhere, "/"), Some(Action::CommandLine));
        assert_eq!(on(Focus::Text, "?"), None);
        assert_eq!(on(Focus::Text, "/"), None);
    }

    #[test]
    fn one_switch_turns_all_of_them_off() {
        for focus in ALL {
            for byte in b'!'..=b'~' {
                let key = char::from(byte).to_string();
                let off = Press {
                    focus,
                    single: false,
                    ..plain(&key)
                };
                assert_eq!(action(off), None, "{key} on {focus:?}");
            }
        }
        let off = |focus, key| {
            action(Press {
                focus,
                single: false,
                ..plain(key)
            })
        };
        assert_eq!(off(Focus::Slider, "ArrowLeft"), timeline("ArrowLeft"));
        assert_eq!(off(NODE, "ArrowLeft"), Some(Action::Neighbour(Some(NodeId(3)), -1)));
        assert_eq!(off(Focus::Cluster, " "), Some(Action::Time));
    }

    #[test]
    fn nothing_is_done_while_a_character_is_composed_or_a_modifier_held() {
        for focus in ALL {
            for key in ["Enter", "Escape", " ", "1", "e", "?", "ArrowLeft"] {
                let press = Press { focus, ..plain(key) };
                assert_eq!(
                    action(Press {
                        composing: true,
                        ..press
                    }),
                    None,
                    "{key:?}"
                );
                assert_eq!(
                    action(Press {
                        modified: true,
                        ..press
                    }),
                    None,
                    "{key:?}"
                );
            }
        }
    }

    #[test]
    fn a_key_that_is_held_acts_once_and_moves_on() {
        let held = |focus, key| {
            action(Press {
                focus,
                repeat: true,
                ..plain(key)
            })
        };
        for key in ["1", "0", " ", "+", "-", "g", "l", "o", "t", "?", "/"] {
            assert_eq!(held(Focus::Cluster, key), Some(Action::Done), "{key:?}");
        }
        for key in ["p", "i", "m", "5"] {
            assert_eq!(held(NODE, key), Some(Action::Done), "{key:?}");
        }
        for key in ["ArrowLeft", "PageDown", "a", "."] {
            assert_eq!(held(Focus::Slider, key), timeline(key));
        }
        assert_eq!(held(NODE, "ArrowDown"), Some(Action::Neighbour(Some(NodeId(3)), 1)));
        // A slash that is held has gone to the command line, and is not typed there. What is typed is, as often as it is held.
        let slash = Press {
            focus: Focus::Text,
            repeat: true,
            ..plain("/")
        };
        assert_eq!(action(slash), None);
        let was_done = true;
        assert_eq!(action(Press { was_done, ..slash }), Some(Action::Done));
        // A node that has the focus is a button: with Enter held it would crash and start, and crash again.
        for focus in [NODE, Focus::Cluster, Focus::Elsewhere] {
            let enter = Press {
                focus,
                on_control: true,
                ..plain("Enter")
            };
            assert_eq!(action(enter), None, "the browser presses it");
            assert_eq!(action(Press { repeat: true, ..enter }), Some(Action::Done));
        }
    }

    #[test]
    fn the_space_bar_presses_what_can_be_pressed() {
        let space = |focus, on_control| {
            action(Press {
                focus,
                on_control,
                ..plain(" ")
            })
        };
        assert_eq!(space(NODE, true), None);
        assert_eq!(space(Focus::Timeline, true), None);
        assert_eq!(space(Focus::Timeline, false), Some(Action::Time));
        assert_eq!(space(Focus::Slider, false), Some(Action::Time));
        assert_eq!(space(Focus::Elsewhere, false), None, "it scrolls the page");
    }

    #[test]
    fn only_the_picture_takes_what_moves_in_it() {
        for key in ["Home", "End", "PageUp", "PageDown", "Enter", "Escape", "ArrowUp"] {
            assert_eq!(on(Focus::Slider, key), timeline(key));
            assert_eq!(on(Focus::Timeline, key), None, "{key}");
        }
        assert_eq!(on(Focus::Cluster, "ArrowRight"), Some(Action::Neighbour(None, 1)));
    }
}
