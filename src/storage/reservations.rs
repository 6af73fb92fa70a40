//! How much of the disk is reserved, and for whom. Pure: the caller brings the time, and the room there is.
//!
//! A reservation is for admission only: a new upload is admitted if its announced bytes fit beside what is reserved. A write needs
//! free space and nothing else ([`super::Reservation::spend`]), so an upload whose reservation shrinks goes on. That is what makes
//! it safe to shrink one, and nothing has to run for it: what a reservation counts for is computed when another file is to be admitted.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::ReservedFor;
use crate::ids::DeviceId;

/// Bytes a second. An upload that is slower for [`ReservedFor::Upload::slow_after`] has nothing reserved.
const SLOW: u64 = 4 << 10;
/// What an upload will bring in this time, at its recent rate, is reserved for it. The field app sends a rejected file again after
/// 5, 10 and 15 minutes: room that stays unused for longer than that could have been given to a device that was rejected.
const HORIZON: Duration = Duration::from_secs(15 * 60);
/// All uploads of one device together count for no more than this part of the room when another device asks.
const DEVICE_SHARE: u64 = 8;
/// The recent rate is measured over so many slots of time, and the one that has begun.
const SLOTS: usize = 8;

/// Names a reservation. Those of one device are neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// `None` for the server itself.
    device: Option<DeviceId>,
    number: u64,
}

/// All reservations.
#[derive(Default)]
pub(super) struct Reservations {
    all: BTreeMap<Key, Reserved>,
    next: u64,
    /// The sum of what is left of each. They never count for more, so most questions need no more than this number.
    left: u64,
}

/// One reservation.
struct Reserved {
    left: u64,
    /// `None` for the server's own, which count for all that is left: the server neither stalls nor drips.
    progress: Option<Progress>,
}

impl Reservations {
    /// Reserves `bytes` of the `room` above the reserve, or returns `None` where they do not fit beside what is reserved.
    pub(super) fn admit(&mut self, whom: ReservedFor, bytes: u64, room: u64, now: Instant) -> Option<Key> {
        let device = whom.device();
        if bytes > room.saturating_sub(self.left) && bytes > room.saturating_sub(self.counted(device, room, now)) {
            return None;
        }
        let progress = match whom {
            ReservedFor::Upload { slow_after, .. } => Some(Progress::new(slow_after, now)),
            ReservedFor::Server => None,
        };
        let key = Key { device, number: self.next };
        self.next += 1;
        self.all.insert(key, Reserved { left: bytes, progress });
        self.left += bytes;
        Some(key)
    }

    /// Says that `bytes` are on the disk now, and counted there.
    pub(super) fn spend(&mut self, key: Key, bytes: u64, now: Instant) {
        let Some(reserved) = self.all.get_mut(&key) else { return };
        if let Some(progress) = &mut reserved.progress {
            progress.add(bytes, now);
        }
        let spent = bytes.min(reserved.left);
        reserved.left -= spent;
        self.left -= spent;
    }

    /// Ends a reservation.
    pub(super) fn end(&mut self, key: Key) {
        if let Some(reserved) = self.all.remove(&key) {
            self.left -= reserved.left;
        }
    }

    /// What the reservations count for when `asking` asks, a device or the server itself.
    pub(super) fn counted(&mut self, asking: Option<DeviceId>, room: u64, now: Instant) -> u64 {
        let limit = |device: Option<DeviceId>| if device.is_none() || device == asking { u64::MAX } else { room / DEVICE_SHARE };
        let (mut total, mut device, mut of_device) = (0_u64, None, 0_u64);
        for (key, reserved) in &mut self.all {
            if key.device != device {
                total = total.saturating_add(of_device.min(limit(device)));
                (device, of_device) = (key.device, 0);
            }
            of_device = of_device.saturating_add(reserved.counted(now));
        }
        total.saturating_add(of_device.min(limit(device)))
    }
}

impl Reserved {
    fn counted(&mut self, now: Instant) -> u64 {
        let justified = self.progress.as_mut().map_or(u64::MAX, |progress| progress.justified(now));
        self.left.min(justified)
    }
}

/// How fast an upload was lately.
struct Progress {
    began: Instant,
    slot_ms: u64,
    /// Bytes of the slot that has begun, then of those before it, the latest first.
    slots: [u64; SLOTS + 1],
    /// The number of the slot that has begun.
    number: u64,
}

impl Progress {
    fn new(slow_after: Duration, now: Instant) -> Self {
        Self { began: now, slot_ms: (millis(slow_after) / SLOTS as u64).max(1), slots: [0; SLOTS + 1], number: 0 }
    }

    fn add(&mut self, bytes: u64, now: Instant) {
        self.advance(now);
        self.slots[0] += bytes;
    }

    /// What this much progress justifies to reserve. Of an upload that has just begun nothing is known, and all is: else two large
    /// uploads would be admitted of which one can only fail, after hours.
    fn justified(&mut self, now: Instant) -> u64 {
        let age_ms = self.advance(now);
        let whole_slots_ms = self.slot_ms * SLOTS as u64;
        if age_ms < whole_slots_ms {
            return u64::MAX;
        }
        let covered_ms = whole_slots_ms + age_ms % self.slot_ms;
        let rate = self.slots.iter().sum::<u64>().saturating_mul(1000) / covered_ms;
        if rate < SLOW { 0 } else { rate.saturating_mul(HORIZON.as_secs()) }
    }

    /// Begins the slot of `now`. Returns the age in milliseconds.
    fn advance(&mut self, now: Instant) -> u64 {
        let age_ms = millis(now.saturating_duration_since(self.began));
        let number = age_ms / self.slot_ms;
        let passed = usize::try_from(number.saturating_sub(self.number)).unwrap_or(usize::MAX).min(self.slots.len());
        self.slots.rotate_right(passed);
        self.slots[..passed].fill(0);
        self.number = number;
        age_ms
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Identifier;

    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    const SLOW_AFTER: Duration = Duration::from_secs(120);

    /// Reservations over a time that the test moves.
    struct Scene {
        reservations: Reservations,
        now: Instant,
    }

    impl Scene {
        fn new() -> Self {
            Self { reservations: Reservations::default(), now: Instant::now() }
        }

        fn admit(&mut self, name: &str, bytes: u64, room: u64) -> Option<Key> {
            let whom = ReservedFor::Upload { device: device(name), slow_after: SLOW_AFTER };
            self.reservations.admit(whom, bytes, room, self.now)
        }

        fn spend(&mut self, key: Key, bytes: u64) {
            self.reservations.spend(key, bytes, self.now);
        }

        /// What the reservations count for when their own device asks.
        fn counted(&mut self, name: &str) -> u64 {
            self.reservations.counted(Some(device(name)), 100 * GIB, self.now)
        }

        /// Lets time go by in which each upload brings so many bytes a second.
        fn bring(&mut self, seconds: u64, rates: &[(Key, u64)]) {
            for _ in 0..seconds {
                self.now += Duration::from_millis(500);
                for (key, rate) in rates {
                    self.spend(*key, *rate);
                }
                self.now += Duration::from_millis(500);
            }
        }
    }

    fn device(name: &str) -> DeviceId {
        name.parse::<Identifier>().expect("an identifier").device()
    }

    #[test]
    fn uploads_that_only_announce_leave_seven_eighths_to_the_others_at_once() {
        let (mut scene, room) = (Scene::new(), 8 * GIB);
        for mib in [4095, 2047, 1023, 511, 255, 127, 63] {
            scene.admit("greedy", mib * MIB, room).expect("room");
        }
        assert_eq!(scene.admit("greedy", GIB, room), None, "its own reservations count in full for itself");
        assert_eq!(scene.admit("other", 7 * GIB + 1, room), None);
        assert!(scene.admit("other", 7 * GIB, room).is_some());
    }

    #[test]
    fn of_each_other_device_an_eighth_counts_and_the_servers_own_work_in_full() {
        let (mut scene, room) = (Scene::new(), 8 * GIB);
        scene.reservations.admit(ReservedFor::Server, 2 * GIB, room, scene.now).expect("room");
        scene.admit("a", 3 * GIB, room).expect("room");
        scene.admit("b", GIB / 2, room).expect("room");
        assert_eq!(scene.reservations.counted(Some(device("c")), room, scene.now), 3 * GIB + GIB / 2);
        assert_eq!(scene.reservations.counted(Some(device("a")), room, scene.now), 5 * GIB + GIB / 2);
        assert_eq!(scene.reservations.counted(None, room, scene.now), 3 * GIB + GIB / 2);
    }

    #[test]
    fn a_device_alone_may_reserve_everything_and_no_more() {
        let mut scene = Scene::new();
        let key = scene.admit("a", GIB, GIB).expect("room");
        assert_eq!(scene.admit("a", 1, GIB), None);
        scene.reservations.end(key);
        assert!(scene.admit("a", GIB, GIB).is_some());
        assert_eq!(scene.admit("b", 7 * GIB / 4 + 1, 2 * GIB), None, "more than there is beside an eighth");
    }

    #[test]
    fn an_upload_that_drips_keeps_its_reservation_for_two_minutes_and_not_longer() {
        let mut scene = Scene::new();
        let key = scene.admit("a", GIB, 2 * GIB).expect("room");
        scene.bring(119, &[(key, 1)]);
        assert_eq!(scene.counted("a"), GIB - 119);
        scene.bring(1, &[(key, 1)]);
        assert_eq!(scene.counted("a"), 0);
        // What is spent all the same is spent.
        scene.spend(key, GIB);
        assert_eq!((scene.counted("a"), scene.reservations.left), (0, 0));
    }

    #[test]
    fn four_kib_a_second_are_enough_to_keep_some_and_less_is_not() {
        let mut scene = Scene::new();
        let (steady, slow) = (scene.admit("a", GIB, 4 * GIB).expect("room"), scene.admit("b", GIB, 4 * GIB).expect("room"));
        scene.bring(600, &[(steady, SLOW), (slow, SLOW - 1)]);
        assert_eq!(scene.counted("a"), SLOW * 15 * 60);
    }

    #[test]
    fn a_reservation_is_what_the_recent_rate_brings_in_a_quarter_of_an_hour_or_the_rest_if_that_is_less() {
        let mut scene = Scene::new();
        let key = scene.admit("a", 4 * GIB, 8 * GIB).expect("room");
        scene.bring(130, &[(key, MIB)]);
        assert_eq!(scene.counted("a"), 900 * MIB);
        scene.bring(130, &[(key, 20 * MIB)]);
        assert_eq!(scene.counted("a"), 4 * GIB - 130 * 21 * MIB, "it is faster now, and the rest is little");
    }

    #[test]
    fn an_upload_that_slows_down_loses_its_reservation_and_gets_it_back_when_it_is_fast_again() {
        let mut scene = Scene::new();
        let key = scene.admit("a", 4 * GIB, 8 * GIB).expect("room");
        scene.bring(300, &[(key, MIB)]);
        assert_eq!(scene.counted("a"), 900 * MIB);
        scene.now += Duration::from_secs(60);
        let after_a_pause = scene.counted("a");
        assert!((400 * MIB..600 * MIB).contains(&after_a_pause), "{after_a_pause}");
        scene.now += Duration::from_secs(76);
        assert_eq!(scene.counted("a"), 0);
        scene.now += Duration::from_secs(100_000);
        assert_eq!(scene.counted("a"), 0);
        scene.bring(136, &[(key, MIB)]);
        assert_eq!(scene.counted("a"), 900 * MIB);
    }

    #[test]
    fn stale_reservations_reject_nobody_but_a_fresh_one_does() {
        let (mut scene, room) = (Scene::new(), GIB);
        // As many devices as would fill the disk with an eighth each.
        for name in 0..8 {
            scene.admit(&name.to_string(), GIB / 8, room).expect("room");
        }
        assert_eq!(scene.admit("other", 1, room), None);
        scene.now += SLOW_AFTER;
        assert!(scene.admit("other", GIB, room).is_some());
    }

    #[test]
    fn nothing_is_left_of_what_has_ended() {
        let mut scene = Scene::new();
        let keys: Vec<_> = (0..10).map(|n| scene.admit(&n.to_string(), GIB, 100 * GIB).expect("room")).collect();
        for key in &keys {
            scene.spend(*key, MIB);
            scene.reservations.end(*key);
            scene.reservations.end(*key);
            scene.spend(*key, MIB);
        }
        assert!(scene.reservations.all.is_empty() && scene.reservations.left == 0);
    }
}
