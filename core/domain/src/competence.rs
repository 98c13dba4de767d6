//! Which body receives what is said against people: computed where the accused are known, which is with the submitter.
//!
//! The ledger lists for an organization and each above it who receives, who leads ([`bodies`]); whoever encrypts
//! chooses among them ([`competent`]), so the ledger never learns against whom. The world itself asks the same rule
//! ([`World::competent_body`]). Not here: encrypting (`envelope`).

use gongkai_log::StreamId;
use serde::{Deserialize, Serialize};

use crate::{field::SealingKey, world::World};

/// Who receives what is encrypted to a body, as the registry announced it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Stream of the appointment; envelopes name it.
    pub receiver: StreamId,
    /// The person.
    pub person: StreamId,
    /// To encrypt to.
    pub sealing_key: SealingKey,
}

/// An organization with those who receive and those who lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Its code.
    pub org: String,
    /// Its receivers.
    pub receivers: Vec<Listed>,
    /// Persons in the posts that head it.
    pub led_by: Vec<StreamId>,
}

/// The organization and those above it, nearest first.
pub fn bodies(world: &World, org: &str) -> Vec<Body> {
    let body = |code: &str| Body {
        org: code.to_owned(),
        receivers: world
            .receivers(code)
            .iter()
            .map(|known| Listed {
                receiver: known.stream.clone(),
                person: known.person.clone(),
                sealing_key: SealingKey::from(&known.key),
            })
            .collect(),
        led_by: world.leaders(code).to_vec(),
    };
    world.chain(org).map(body).collect()
}

/// The nearest body that handles what is said against these people.
pub fn competent<'b>(bodies: &'b [Body], against: &[StreamId]) -> Option<&'b Body> {
    bodies.iter().find(|body| {
        let receivers = body.receivers.iter().map(|listed| &listed.person);
        is_competent(receivers, &body.led_by, against)
    })
}

/// A body handles it if somebody there may open it, and nobody who leads it is accused.
pub(crate) fn is_competent<'p>(
    mut receivers: impl Iterator<Item = &'p StreamId>,
    led_by: &[StreamId],
    against: &[StreamId],
) -> bool {
    receivers.any(|person| !against.contains(person)) && !led_by.iter().any(|person| against.contains(person))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn person(number: u128) -> StreamId {
        StreamId::new("person", Uuid::from_u128(number)).unwrap()
    }

    fn body(org: &str, receivers: &[u128], led_by: &[u128]) -> Body {
        let listed = |number: &u128| Listed {
            receiver: StreamId::new("receiver", Uuid::from_u128(*number)).unwrap(),
            person: person(*number),
            sealing_key: SealingKey(String::new()),
        };
        let led_by = led_by.iter().map(|number| person(*number)).collect();
        Body { org: org.into(), receivers: receivers.iter().map(listed).collect(), led_by }
    }

    #[test]
    fn what_is_said_against_the_head_of_a_body_goes_one_level_up() {
        let bodies = [body("village", &[1, 2], &[1]), body("town", &[3], &[4]), body("county", &[5], &[])];
        let to = |against: &[u128]| {
            let against: Vec<_> = against.iter().map(|number| person(*number)).collect();
            competent(&bodies, &against).map(|body| body.org.as_str())
        };
        assert_eq!(to(&[]), Some("village"));
        assert_eq!(to(&[2]), Some("village"), "the other receiver opens it");
        assert_eq!(to(&[1]), Some("town"));
        assert_eq!(to(&[1, 3]), Some("county"), "nobody in the town could open it");
        assert_eq!(to(&[1, 4, 5]), None);
    }
}
