//! Keyboard commands.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::state::State;
use hotstage_client::Order;

/// Bound on the characters of a filter.
const FILTER_MAX: usize = 64;

/// Whether to continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Stay,
    Quit,
}

impl State {
    /// Handles one key.
    pub(super) fn press(&mut self, key: KeyEvent) -> Next {
        if key.kind == KeyEventKind::Release {
            return Next::Stay;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') {
                Next::Quit
            } else {
                Next::Stay
            };
        }
        if self.is_typing {
            self.edit(key.code);
            return Next::Stay;
        }
        let last = self.rows().len().saturating_sub(self.page);
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Next::Quit,
            KeyCode::Down | KeyCode::Char('j') => self.offset += 1,
            KeyCode::Up | KeyCode::Char('k') => self.offset = self.offset.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.offset += self.page.max(1),
            KeyCode::PageUp => self.offset = self.offset.saturating_sub(self.page.max(1)),
            KeyCode::Home => self.offset = 0,
            KeyCode::End => self.offset = last,
            KeyCode::Char('s') => {
                self.order = after(self.order);
                self.offset = 0;
            }
            KeyCode::Char('p') => self.is_paused = !self.is_paused,
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Char('?') => self.is_helping = !self.is_helping,
            _ => {}
        }
        self.offset = self.offset.min(last);
        Next::Stay
    }

    /// Edits the filter.
    fn edit(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(character)
                if !character.is_control() && self.filter.chars().count() < FILTER_MAX =>
            {
                self.filter.push(character);
            }
            _ => {}
        }
        self.offset = 0;
    }
}

fn after(order: Order) -> Order {
    let index = Order::ALL
        .iter()
        .position(|other| *other == order)
        .unwrap_or_default();
    Order::ALL[(index + 1) % Order::ALL.len()]
}

#[cfg(test)]
mod tests {
    use super::super::state::tests::some;
    use super::*;

    fn press(state: &mut State, codes: &[KeyCode]) -> Next {
        codes.iter().fold(Next::Stay, |_, code| {
            state.press(KeyEvent::new(*code, KeyModifiers::NONE))
        })
    }

    #[test]
    fn scrolling_stays_within_the_rows() {
        let mut state = some(&[("a", 5.0), ("b", 4.0), ("c", 3.0), ("d", 2.0), ("e", 1.0)]);
        state.page = 2;
        for (code, offset) in [
            (KeyCode::Up, 0),
            (KeyCode::Down, 1),
            (KeyCode::PageDown, 3),
            (KeyCode::Char('j'), 3),
            (KeyCode::Char('k'), 2),
            (KeyCode::PageUp, 0),
            (KeyCode::End, 3),
            (KeyCode::Home, 0),
        ] {
            press(&mut state, &[code]);
            assert_eq!(state.offset, offset, "{code:?}");
        }
    }

    #[test]
    fn the_order_goes_round_and_the_rest_is_on_or_off() {
        let mut state = State::default();
        for order in [Order::Name, Order::P99, Order::Errors, Order::Rate] {
            press(&mut state, &[KeyCode::Char('s')]);
            assert_eq!(state.order, order);
        }
        press(
            &mut state,
            &[KeyCode::Char('p'), KeyCode::Char('?'), KeyCode::Char('?')],
        );
        assert_eq!((state.is_paused, state.is_helping), (true, false));
    }

    #[test]
    fn a_filter_is_typed_kept_and_cleared() {
        let mut state = State::default();
        let typed = [
            KeyCode::Char('/'),
            KeyCode::Char('q'),
            KeyCode::Char('p'),
            KeyCode::Backspace,
            KeyCode::Enter,
        ];
        assert_eq!(press(&mut state, &typed), Next::Stay);
        assert_eq!((state.filter.as_str(), state.is_typing), ("q", false));
        assert_eq!(
            press(&mut state, &[KeyCode::Char('/'), KeyCode::Esc]),
            Next::Stay
        );
        assert_eq!((state.filter.as_str(), state.is_typing), ("", false));
    }

    #[test]
    fn three_keys_end_it() {
        let mut state = State::default();
        assert_eq!(press(&mut state, &[KeyCode::Char('q')]), Next::Quit);
        assert_eq!(press(&mut state, &[KeyCode::Esc]), Next::Quit);
        state.is_typing = true;
        assert_eq!(
            state.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)),
            Next::Quit
        );
    }
}
