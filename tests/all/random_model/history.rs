//! What a value may have been at a time that is known only as an interval: a write takes effect at some moment between its request
//! and its response, and one without a response may take effect at any later moment, or never.

/// A point of the run's logical time: each request that is sent and each response that is received gets the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// Before the first request.
    pub const START: Self = Self(0);
    /// After every response.
    const NEVER: Self = Self(u64::MAX);
}

/// From one moment to another: that of a request and that of its response, mostly.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub from: Moment,
    pub to: Moment,
}

/// The writes to one value that may still matter.
#[derive(Debug, Clone)]
pub struct History<V> {
    writes: Vec<Write<V>>,
}

#[derive(Debug, Clone)]
struct Write<V> {
    value: V,
    asked: Moment,
    /// [`Moment::NEVER`] while there is no response.
    answered: Moment,
}

impl<V: PartialEq> History<V> {
    pub fn new(value: V) -> Self {
        Self { writes: vec![Write { value, asked: Moment::START, answered: Moment::START }] }
    }

    /// A write is requested. Until [`confirm`](Self::confirm) or [`cancel`](Self::cancel) it is unknown whether it has happened.
    pub fn begin(&mut self, value: V, asked: Moment) {
        self.writes.push(Write { value, asked, answered: Moment::NEVER });
    }

    /// The write that was requested then has happened.
    pub fn confirm(&mut self, asked: Moment, answered: Moment) {
        if let Some(write) = self.writes.iter_mut().find(|write| write.asked == asked) {
            write.answered = answered;
        }
    }

    /// The write that was requested then was rejected.
    pub fn cancel(&mut self, asked: Moment) {
        self.writes.retain(|write| write.asked != asked);
    }

    /// Nothing is in flight, and the value was read.
    pub fn settle(&mut self, value: V) {
        *self = Self::new(value);
    }

    /// The values that it may have had at some moment of a span.
    pub fn possible(&self, span: Span) -> impl Iterator<Item = &V> {
        let is_overwritten =
            move |write: &Write<V>| self.writes.iter().any(|later| later.answered <= span.from && write.answered < later.asked);
        self.writes.iter().filter(move |write| write.asked <= span.to && !is_overwritten(write)).map(|write| &write.value)
    }

    /// Whether a write may have happened since a moment.
    pub fn is_written_after(&self, moment: Moment) -> bool {
        self.writes.iter().any(|write| write.answered > moment)
    }

    /// Whether there is a write that was requested before the end of a span and has no response.
    pub fn is_being_written(&self, span: Span) -> bool {
        self.writes.iter().any(|write| write.asked <= span.to && write.answered == Moment::NEVER)
    }

    /// Whether the value was like this at some moment of a span, as far as is known.
    pub fn may_be(&self, span: Span, is: impl Fn(&V) -> bool) -> bool {
        self.possible(span).any(is)
    }

    /// Whether the value was like this during a whole span, for certain.
    pub fn is_always(&self, span: Span, is: impl Fn(&V) -> bool) -> bool {
        self.possible(span).all(is)
    }

    /// Whether this value was confirmed before a moment, whatever was written later.
    pub fn has_been(&self, before: Moment, value: &V) -> bool {
        self.writes.iter().any(|write| write.answered <= before && write.value == *value)
    }

    pub fn may_equal(&self, span: Span, value: &V) -> bool {
        self.may_be(span, |possible| possible == value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn possible(history: &History<char>, from: u64, to: u64) -> String {
        history.possible(Span { from: Moment(from), to: Moment(to) }).collect()
    }

    #[test]
    fn a_write_is_possible_from_its_request_and_certain_from_its_response() {
        let mut history = History::new('a');
        history.begin('b', Moment(10));
        assert_eq!((possible(&history, 1, 9), possible(&history, 9, 11)), ("a".to_owned(), "ab".to_owned()));
        history.confirm(Moment(10), Moment(20));
        assert_eq!((possible(&history, 11, 19), possible(&history, 21, 22)), ("ab".to_owned(), "b".to_owned()));
        history.begin('c', Moment(30));
        history.cancel(Moment(30));
        assert_eq!(possible(&history, 31, 32), "b");
    }

    #[test]
    fn of_two_writes_at_once_either_may_be_the_last() {
        let mut history = History::new('a');
        history.begin('b', Moment(10));
        history.begin('c', Moment(11));
        history.confirm(Moment(10), Moment(12));
        history.confirm(Moment(11), Moment(13));
        assert_eq!(possible(&history, 14, 15), "bc");
        history.settle('c');
        assert_eq!(possible(&history, 14, 15), "c");
    }

    #[test]
    fn a_write_without_a_response_may_happen_at_any_later_moment() {
        let mut history = History::new('a');
        history.begin('b', Moment(10));
        history.begin('c', Moment(20));
        history.confirm(Moment(20), Moment(21));
        assert_eq!(possible(&history, 22, 23), "bc");
    }
}
