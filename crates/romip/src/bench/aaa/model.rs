// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What one MAAR's subscribers did, and so what each answer must be: an attachment is told where the MN was by its last
//! answered request (what its first answer of the run says is taken as true), a repeat of it the same again, whatever came between.

use std::collections::VecDeque;

/// Of 1,000 attachments, how many are followed by what.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Sent again, with the T bit and the same End-to-End id: half of them at once, half when the answer is there.
    pub repeat: u32,
    /// Followed by an STR.
    pub detach: u32,
}

/// A request without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flight {
    /// None in this place.
    Free,
    /// An attachment of this subscriber, or its repeat.
    Attach { subscriber: u32, end_to_end: u32 },
    /// An STR.
    Detach { subscriber: u32 },
}

/// What is to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// An AAR of this number.
    Attach { subscriber: u32, end_to_end: u32, again: bool },
    /// An STR of the attachment of this number.
    Detach { subscriber: u32, attachment: u32 },
}

/// The parts of an answer that are judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    pub result_code: u32,
    pub previous: Option<u128>,
    pub time: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mn {
    /// `::` after a detach and before the first attachment.
    at: u128,
    /// The answer to the last attachment.
    previous: u128,
    time: u64,
    /// The number of the last attachment that was asked, and of the last that was answered.
    asked: u32,
    answered: u32,
    in_flight: u8,
}

/// The subscribers of one MAAR.
#[derive(Debug)]
pub struct Model {
    mix: Mix,
    mns: Vec<Mn>,
    next: u32,
    rng: u64,
    /// What must be sent before anything new.
    due: VecDeque<Order>,
    pub wrong: u64,
    /// The first answers that were wrong, by a sentence.
    pub said: Vec<String>,
}

/// The address of the MAAR of an attachment: another one each time, so that no answer is right by chance.
pub fn maar(end_to_end: u32) -> u128 {
    0x2001_0db8 << 96 | u128::from(end_to_end)
}

impl Model {
    /// `first` is the End-to-End id to begin with.
    pub fn new(subscribers: u32, first: u32, mix: Mix) -> Model {
        Model {
            mix,
            mns: vec![Mn::default(); subscribers as usize],
            next: first,
            rng: u64::from(first) | 1,
            due: VecDeque::new(),
            wrong: 0,
            said: Vec::new(),
        }
    }

    fn below(&mut self, n: u32) -> u32 {
        // splitmix64
        self.rng = self.rng.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.rng;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((((z ^ (z >> 31)) >> 32) * u64::from(n)) >> 32) as u32
    }

    /// The next request, of any subscriber with none under way.
    pub fn order(&mut self) -> Order {
        if let Some(order) = self.due.pop_front() {
            return order;
        }
        loop {
            let subscriber = self.below(self.mns.len() as u32);
            if self.mns[subscriber as usize].in_flight == 0 {
                return self.attach(subscriber);
            }
        }
    }

    /// An attachment of this subscriber, which has nothing under way.
    pub fn attach(&mut self, subscriber: u32) -> Order {
        let end_to_end = self.next;
        self.next = self.next.wrapping_add(1);
        let twice = self.below(2000) < self.mix.repeat;
        let mn = &mut self.mns[subscriber as usize];
        mn.asked = end_to_end;
        mn.in_flight = 1;
        if twice {
            mn.in_flight = 2;
            self.due.push_back(Order::Attach { subscriber, end_to_end, again: true });
        }
        Order::Attach { subscriber, end_to_end, again: false }
    }

    /// Judges an answer, and decides what follows it.
    pub fn answered(&mut self, flight: Flight, answer: Answer) {
        match flight {
            Flight::Free => self.note(format!("{answer:x?} answers nothing")),
            Flight::Attach { subscriber, end_to_end } => {
                self.attached(subscriber, end_to_end, answer)
            }
            Flight::Detach { subscriber } => {
                let mn = &mut self.mns[subscriber as usize];
                mn.in_flight -= 1;
                mn.at = 0;
                if answer.result_code != 2001 {
                    self.note(format!("the STR of subscriber {subscriber}: {answer:x?}"));
                }
            }
        }
    }

    fn attached(&mut self, subscriber: u32, end_to_end: u32, answer: Answer) {
        let mn = &mut self.mns[subscriber as usize];
        mn.in_flight -= 1;
        let again = mn.answered == end_to_end && mn.time != 0;
        // Before the first answer of this run nobody here knows where the MN is.
        let first = mn.time == 0;
        let stored = if first { answer.previous.unwrap_or(0) } else { mn.at };
        let expected = if again { mn.previous } else { stored };
        let time = answer.time.unwrap_or(0);
        let in_time = if again { time == mn.time } else { time > mn.time };
        if !again {
            (mn.previous, mn.time, mn.answered) = (expected, time, end_to_end);
        }
        mn.at = maar(end_to_end);
        if (answer.result_code, answer.previous, in_time) != (2001, Some(expected), true) {
            let kind = if again { "the repeat" } else { "the attachment" };
            self.note(format!(
                "{kind} {end_to_end:x} of subscriber {subscriber}: expected {expected:x}, the answer is {answer:x?}"
            ));
        }
        if self.mns[subscriber as usize].in_flight > 0 || again {
            return;
        }
        let chance = self.below(2000);
        if chance < self.mix.repeat {
            self.mns[subscriber as usize].in_flight = 1;
            self.due.push_back(Order::Attach { subscriber, end_to_end, again: true });
        } else if chance < self.mix.repeat + 2 * self.mix.detach {
            self.mns[subscriber as usize].in_flight = 1;
            self.due.push_back(Order::Detach { subscriber, attachment: end_to_end });
        }
    }

    fn note(&mut self, said: String) {
        self.wrong += 1;
        if self.said.len() < 10 {
            self.said.push(said);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(mix: Mix) -> Model {
        Model::new(1, 7, mix)
    }

    fn right(previous: u128, time: u64) -> Answer {
        Answer { result_code: 2001, previous: Some(previous), time: Some(time) }
    }

    #[test]
    fn an_answer_that_names_another_maar_is_wrong() {
        let mut model = model(Mix { repeat: 0, detach: 0 });
        let flight = |end_to_end| Flight::Attach { subscriber: 0, end_to_end };
        assert_eq!(model.order(), Order::Attach { subscriber: 0, end_to_end: 7, again: false });
        model.answered(flight(7), right(0, 1));
        model.order();
        model.answered(flight(8), right(maar(7), 2));
        assert_eq!(model.wrong, 0);
        model.order();
        model.answered(flight(9), right(maar(7), 3));
        assert_eq!(model.wrong, 1, "it was at 8's MAAR");
    }

    #[test]
    fn a_repeat_that_is_processed_twice_is_wrong() {
        let mut model = model(Mix { repeat: 2000, detach: 0 });
        let flight = Flight::Attach { subscriber: 0, end_to_end: 7 };
        model.order();
        assert_eq!(model.order(), Order::Attach { subscriber: 0, end_to_end: 7, again: true });
        model.answered(flight, right(0, 1));
        model.answered(flight, right(maar(7), 2));
        assert_eq!(model.wrong, 1, "its own MAAR is what a second update would name");
    }

    #[test]
    fn after_a_detach_nobody_is_the_previous_maar() {
        let mut model = model(Mix { repeat: 0, detach: 1000 });
        model.order();
        model.answered(Flight::Attach { subscriber: 0, end_to_end: 7 }, right(0, 1));
        assert_eq!(model.order(), Order::Detach { subscriber: 0, attachment: 7 });
        model.answered(
            Flight::Detach { subscriber: 0 },
            Answer { result_code: 2001, ..Answer::default() },
        );
        model.order();
        model.answered(Flight::Attach { subscriber: 0, end_to_end: 8 }, right(0, 2));
        assert_eq!(model.wrong, 0, "{:?}", model.said);
    }
}
