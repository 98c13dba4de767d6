//! Open challenges and sessions, in memory: a restart signs everybody out, and nothing of it is ever on a disk.
//!
//! A challenge is used once, whatever comes of it. Of a session's token only the hash is kept. Both are bounded:
//! beyond the bound the oldest challenge falls out, so whoever asks for many cannot keep others from asking; and
//! the session that was idle longest. A session holds no right: who it belongs to is looked up in the current
//! world at each request, so a revoked key or a withdrawn role ends with the entry that says so.
//!
//! Not here: what HTTP looks like (`sessions`, `challenges`, `gate`), what a reader may see (`gongkai_domain::confidentiality`).

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use gongkai_domain::World;
use gongkai_domain::confidentiality::Reader;
use gongkai_log::Digest;
use gongkai_store::Clock;
use zeroize::Zeroizing;

use crate::keyfile;
use crate::login::Login;

/// How long a challenge can be used.
pub const CHALLENGE_SECONDS_MAX: i64 = 120;
/// Challenges that are open at once.
pub const CHALLENGES_MAX: usize = 1_024;
/// How long a session lasts that nobody uses.
pub const IDLE_SECONDS_MAX: u64 = 30 * 60;
/// How long a session lasts.
pub const SESSION_SECONDS_MAX: u64 = 12 * 3_600;
/// Sessions at once.
pub const SESSIONS_MAX: usize = 1_024;
/// Sessions of one person at once.
pub const SESSIONS_OF_ONE_MAX: usize = 8;

/// A reading of both clocks: neither one that was set back nor one that stood still makes a session longer.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    wall: DateTime<Utc>,
    monotonic: Duration,
}

impl Moment {
    /// Reads the clocks.
    pub fn of(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), monotonic: clock.monotonic() }
    }

    fn since(self, earlier: Self) -> Duration {
        let wall = (self.wall - earlier.wall).to_std().unwrap_or_default();
        wall.max(self.monotonic.saturating_sub(earlier.monotonic))
    }
}

/// A session's token, 32 random bytes in hex. Whoever has it is the person.
pub struct Token(Zeroizing<String>);

impl Token {
    fn random() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        keyfile::random(&mut *bytes);
        Self(Zeroizing::new(Digest::from_bytes(*bytes).to_hex()))
    }

    /// The text, for the one who signed in.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

struct Challenge {
    login: Login,
    given: Moment,
}

struct Session {
    reader: Reader,
    begun: Moment,
    used: Moment,
}

impl Session {
    fn lasts(&self, now: Moment) -> bool {
        now.since(self.begun) < Duration::from_secs(SESSION_SECONDS_MAX)
            && now.since(self.used) < Duration::from_secs(IDLE_SECONDS_MAX)
    }
}

/// All challenges and sessions of one process.
#[derive(Default)]
pub struct SignIn {
    challenges: Mutex<VecDeque<Challenge>>,
    sessions: Mutex<HashMap<Digest, Session>>,
}

impl SignIn {
    /// Gives a challenge for a key's name, whether or not there is such a key.
    pub fn challenge(&self, origin: &str, key: &str, now: Moment) -> Login {
        let mut nonce = [0; 32];
        keyfile::random(&mut nonce);
        let login = Login {
            origin: origin.to_owned(),
            key: key.to_owned(),
            nonce: Digest::from_bytes(nonce),
            expires_at: now.wall.trunc_subsecs(0) + TimeDelta::seconds(CHALLENGE_SECONDS_MAX),
        };
        let mut challenges = locked(&self.challenges);
        if challenges.len() == CHALLENGES_MAX {
            challenges.pop_front();
        }
        challenges.push_back(Challenge { login: login.clone(), given: now });
        login
    }

    /// Takes the challenge with this text, if it is open. It is used up then.
    pub fn redeem(&self, text: &str, now: Moment) -> Option<Login> {
        let login = Login::parse(text)?;
        let mut challenges = locked(&self.challenges);
        let place = challenges.iter().position(|challenge| challenge.login.nonce == login.nonce)?;
        let challenge = challenges.remove(place)?;
        let in_time = now.since(challenge.given).as_secs() < CHALLENGE_SECONDS_MAX.unsigned_abs();
        (in_time && challenge.login == login).then_some(login)
    }

    /// Begins a session.
    pub fn open(&self, reader: Reader, now: Moment) -> Token {
        let mut sessions = locked(&self.sessions);
        sessions.retain(|_, session| session.lasts(now));
        let of_person = |session: &Session| session.reader.person() == reader.person();
        if sessions.values().filter(|session| of_person(session)).count() >= SESSIONS_OF_ONE_MAX {
            forget_idlest(&mut sessions, now, of_person);
        }
        if sessions.len() >= SESSIONS_MAX {
            forget_idlest(&mut sessions, now, |_| true);
        }
        let token = Token::random();
        sessions.insert(hash(token.expose()), Session { reader, begun: now, used: now });
        token
    }

    /// Whose session it is; ends one that is over, or whose key is no longer this person's.
    pub fn resume(&self, token: &str, now: Moment, world: &World) -> Option<Reader> {
        let hash = hash(token);
        let mut sessions = locked(&self.sessions);
        let session = sessions.get_mut(&hash)?;
        if session.lasts(now) && session.reader.is_current(world) {
            session.used = now;
            return Some(session.reader.clone());
        }
        sessions.remove(&hash);
        None
    }

    /// Ends a session.
    pub fn close(&self, token: &str) {
        locked(&self.sessions).remove(&hash(token));
    }
}

/// No invariant spans two of these, so a panic elsewhere leaves them usable.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hash(token: &str) -> Digest {
    Digest::of(token.as_bytes())
}

fn forget_idlest(sessions: &mut HashMap<Digest, Session>, now: Moment, among: impl Fn(&Session) -> bool) {
    let candidates = sessions.iter().filter(|(_, session)| among(session));
    let idlest = candidates.max_by_key(|(_, session)| now.since(session.used)).map(|(hash, _)| *hash);
    if let Some(idlest) = idlest {
        sessions.remove(&idlest);
    }
}

#[cfg(test)]
mod tests {
    use gongkai_store::ManualClock;
    use gongkai_store::testing::{Fixture, start_time};

    use super::*;

    const ORIGIN: &str = "ledger.example/qinghe";

    fn after(clock: &ManualClock, seconds: u64) -> Moment {
        clock.advance(Duration::from_secs(seconds));
        Moment::of(clock)
    }

    #[test]
    fn a_challenge_is_used_once_and_in_two_minutes() {
        let (clock, sign_in) = (ManualClock::new(start_time()), SignIn::default());
        let login = sign_in.challenge(ORIGIN, "chen.example/1", Moment::of(&clock));
        assert_eq!(sign_in.redeem(&login.to_text(), after(&clock, 119)), Some(login.clone()));
        assert_eq!(sign_in.redeem(&login.to_text(), Moment::of(&clock)), None);
        let late = sign_in.challenge(ORIGIN, "chen.example/1", Moment::of(&clock));
        assert_eq!(sign_in.redeem(&late.to_text(), after(&clock, 120)), None);
    }

    #[test]
    fn a_challenge_that_was_changed_is_used_up() {
        let (clock, sign_in) = (ManualClock::new(start_time()), SignIn::default());
        let login = sign_in.challenge(ORIGIN, "chen.example/1", Moment::of(&clock));
        for changed in [
            Login { origin: "ledger.example/other".into(), ..login.clone() },
            Login { key: "wu.example/1".into(), ..login.clone() },
            Login { expires_at: login.expires_at + TimeDelta::hours(1), ..login.clone() },
        ] {
            assert_eq!(sign_in.redeem(&changed.to_text(), Moment::of(&clock)), None);
        }
        assert_eq!(sign_in.redeem(&login.to_text(), Moment::of(&clock)), None);
    }

    #[test]
    fn many_challenges_drop_the_oldest_and_keep_the_newest() {
        let (clock, sign_in) = (ManualClock::new(start_time()), SignIn::default());
        let first = sign_in.challenge(ORIGIN, "chen.example/1", Moment::of(&clock));
        let last = (0..CHALLENGES_MAX).map(|_| sign_in.challenge(ORIGIN, "x", Moment::of(&clock))).last().unwrap();
        assert_eq!(locked(&sign_in.challenges).len(), CHALLENGES_MAX);
        assert_eq!(sign_in.redeem(&first.to_text(), Moment::of(&clock)), None);
        assert!(sign_in.redeem(&last.to_text(), Moment::of(&clock)).is_some());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_session_ends_after_half_an_hour_idle_and_after_twelve_hours_in_use() {
        let fixture = Fixture::new().await;
        let (clock, sign_in) = (&fixture.clock, SignIn::default());
        fixture.ledger.with_world(|world| {
            let reader = Reader::of_key(fixture.people["甲"].key.name(), world).unwrap();
            let idle = sign_in.open(reader.clone(), Moment::of(&**clock));
            assert!(sign_in.resume(idle.expose(), after(clock, IDLE_SECONDS_MAX - 1), world).is_some());
            assert_eq!(sign_in.resume(idle.expose(), after(clock, IDLE_SECONDS_MAX), world), None);
            let busy = sign_in.open(reader, Moment::of(&**clock));
            for _ in 0..(SESSION_SECONDS_MAX / 1_200 - 1) {
                assert!(sign_in.resume(busy.expose(), after(clock, 1_200), world).is_some());
            }
            assert_eq!(sign_in.resume(busy.expose(), after(clock, 1_200), world), None);
            assert!(locked(&sign_in.sessions).is_empty());
        });
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_person_has_a_bounded_number_of_sessions() {
        let fixture = Fixture::new().await;
        let (clock, sign_in) = (&fixture.clock, SignIn::default());
        fixture.ledger.with_world(|world| {
            let reader = |name: &str| Reader::of_key(fixture.people[name].key.name(), world).unwrap();
            let other = sign_in.open(reader("乙"), Moment::of(&**clock));
            let tokens: Vec<Token> =
                (0..=SESSIONS_OF_ONE_MAX).map(|_| sign_in.open(reader("甲"), after(clock, 1))).collect();
            assert_eq!(locked(&sign_in.sessions).len(), SESSIONS_OF_ONE_MAX + 1);
            assert_eq!(sign_in.resume(tokens[0].expose(), Moment::of(&**clock), world), None);
            assert!(sign_in.resume(tokens[SESSIONS_OF_ONE_MAX].expose(), Moment::of(&**clock), world).is_some());
            assert!(sign_in.resume(other.expose(), Moment::of(&**clock), world).is_some());
        });
    }
}
