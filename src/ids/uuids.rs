//! Ids that are uuids.

/// A uuid of its own type, written in the hyphenated lower-case form of RFC 9562 everywhere: in addresses, folders and rows.
macro_rules! uuid_type {
    ($(#[$doc:meta])* $name:ident, $malformed:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// A new random (version 4) uuid.
            #[must_use]
            pub fn random() -> Self {
                Self(uuid::Uuid::new_v4())
            }

            /// Parses only the form that we write ourselves; an upper-case letter is another address, and so refused.
            #[must_use]
            pub fn from_canonical(text: &str) -> Option<Self> {
                text.parse().ok().filter(|id: &Self| id.to_string() == text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ids::Malformed;

            /// Takes the hyphenated form in either case.
            fn from_str(text: &str) -> Result<Self, $crate::ids::Malformed> {
                let id = uuid::fmt::Hyphenated::from_str(text).map_err(|_| $crate::ids::Malformed($malformed))?;
                Ok(Self(id.into_uuid()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

uuid_type!(
    /// All files of one recorded run.
    DatasetId,
    "not a uuid: ask GET /recording/new/ for one and send it as it is"
);
uuid_type!(
    /// A published model.
    ModelId,
    "not a model's id; choose one from the list"
);
uuid_type!(
    /// A participant of a study; the label is what people read.
    ParticipantId,
    "not a participant's id; choose one from the list"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_is_a_uuid() {
        let id: DatasetId = "67E55044-10B1-426F-9247-BB680E5FE0C8".parse().expect("a uuid");
        assert_eq!(id.to_string(), "67e55044-10b1-426f-9247-bb680e5fe0c8");
        for text in ["", "abc", "67e5504410b1426f9247bb680e5fe0c8", "{67e55044-10b1-426f-9247-bb680e5fe0c8}"] {
            assert!(text.parse::<DatasetId>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_has_one_spelling() {
        assert!(ModelId::from_canonical("67e55044-10b1-426f-9247-bb680e5fe0c8").is_some());
        assert!(ModelId::from_canonical("67E55044-10b1-426f-9247-bb680e5fe0c8").is_none());
    }
}
