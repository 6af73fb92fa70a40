//! Which device has which model, held against how a person would say it.

use proptest::{collection::vec, option, prelude::*};
use tokio::runtime::Runtime;

use super::*;
use crate::{
    catalog::{Assigned, Removed, made::Made},
    ids::ParticipantId,
};

const MODELS: usize = 3;
const DEVICES: usize = 3;
const WEARERS: usize = 2;

/// Audiences are few and small, so that they meet: 0 is everyone, then the devices, then the participants.
#[derive(Debug, Clone)]
enum Step {
    Give(usize, Option<usize>),
    Back(usize),
    Remove(usize),
    /// Who wears which device from now on.
    Wear(usize, usize),
    TakeOff(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let audience = 0..=DEVICES + WEARERS;
    let step = prop_oneof![
        6 => (audience.clone(), option::weighted(0.8, 0..MODELS)).prop_map(|(to, model)| Step::Give(to, model)),
        3 => audience.prop_map(Step::Back),
        1 => (0..MODELS).prop_map(Step::Remove),
        3 => (0..WEARERS, 0..DEVICES).prop_map(|(by, device)| Step::Wear(by, device)),
        1 => (0_usize..9).prop_map(Step::TakeOff),
    ];
    vec(step, 1..24)
}

/// What was said to each audience, one behind the other, and who wears what.
#[derive(Default)]
struct Said {
    to: [Vec<Option<usize>>; 1 + DEVICES + WEARERS],
    worn: Vec<(usize, usize, String)>,
    removed: Vec<usize>,
}

impl Said {
    fn last(&self, audience: usize) -> Option<usize> {
        self.to[audience].last().copied().flatten()
    }

    fn of(&self, device: usize) -> Option<usize> {
        let mut wearers: Vec<_> = self.worn.iter().filter(|(_, worn, _)| *worn == device).map(|(by, ..)| *by).collect();
        wearers.dedup();
        let of_wearer = if let [by] = wearers[..] { self.last(1 + DEVICES + by) } else { None };
        self.last(1 + device).or(of_wearer).or(self.last(0))
    }

    /// Whether there was anything to go back from.
    fn go_back(&mut self, audience: usize) -> bool {
        let history = &mut self.to[audience];
        let Some(last) = history.last().copied() else { return false };
        while history.last() == Some(&last) {
            history.pop();
        }
        true
    }
}

struct World {
    made: Made,
    models: Vec<ModelId>,
    devices: Vec<DeviceId>,
    wearers: Vec<ParticipantId>,
    planner: Planner,
    said: Said,
}

impl World {
    async fn new() -> Self {
        let made = Made::new().await;
        let (mut models, mut devices, mut wearers) = (Vec::new(), Vec::new(), Vec::new());
        for n in 0..MODELS {
            models.push(made.model(&format!("{n}.onnx")).await);
        }
        for n in 0..DEVICES {
            devices.push(made.device(&format!("watch {n}")).await);
        }
        for n in 0..WEARERS {
            let id = format!("00000000-0000-4000-8000-00000000000{n}");
            made.change(&format!("INSERT INTO participants (id, label, created_at) VALUES ('{id}', 'P{n}', 0)")).await;
            wearers.push(id.parse().expect("an id"));
        }
        let planner = Planner::new(made.catalog.clone());
        Self { made, models, devices, wearers, planner, said: Said::default() }
    }

    fn audience(&self, n: usize) -> Audience {
        match n {
            0 => Audience::Everyone,
            device if device <= DEVICES => Audience::Device(self.devices[device - 1]),
            wearer => Audience::Participant(self.wearers[wearer - DEVICES - 1]),
        }
    }

    async fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        let catalog = self.made.catalog.clone();
        match step {
            Step::Give(to, model) => {
                let given = catalog.assign_model(self.audience(to), model.map(|n| self.models[n]), "ada").await.expect("an answer");
                if model.is_some_and(|n| self.said.removed.contains(&n)) {
                    prop_assert_eq!(given, Assigned::NoModel);
                } else if self.said.last(to) != model {
                    self.said.to[to].push(model);
                }
            }
            Step::Back(to) => {
                let back = catalog.unassign_model(self.audience(to)).await.expect("an answer");
                let expected =
                    if self.said.go_back(to) { Assigned::Done(self.said.last(to).map(|n| self.models[n])) } else { Assigned::NoAudience };
                prop_assert_eq!(back, expected);
            }
            Step::Remove(n) => {
                let is_used = (0..self.said.to.len()).any(|to| self.said.last(to) == Some(n));
                let removed = catalog.remove_model(self.models[n], MOST_CHARS).await.expect("an answer");
                prop_assert_eq!(matches!(removed, Removed::InUse(_)), is_used);
                if !is_used {
                    self.said.removed.push(n);
                    self.said.to.iter_mut().for_each(|history| history.retain(|model| *model != Some(n)));
                }
            }
            Step::Wear(by, device) => {
                let added = catalog.add_span(self.wearers[by], self.devices[device], 0, None).await.expect("an answer");
                if let crate::catalog::Spanned::Done { id, .. } = added {
                    self.said.worn.push((by, device, id));
                }
            }
            Step::TakeOff(n) if n < self.said.worn.len() => {
                let (by, _, span) = self.said.worn.remove(n);
                catalog.remove_span(self.wearers[by], &span).await.expect("an answer");
            }
            Step::TakeOff(_) => {}
        }
        Ok(())
    }

    async fn check(&self) -> Result<(), TestCaseError> {
        let plan = self.planner.plan().await.expect("a plan");
        for (n, device) in self.devices.iter().enumerate() {
            let told = plan.of_device(*device).map(|handout| handout.id);
            prop_assert_eq!(told, self.said.of(n).map(|n| self.models[n]), "device {}", n);
        }
        prop_assert_eq!(plan.of_everyone().map(|handout| handout.id), self.said.last(0).map(|n| self.models[n]));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_device_has_its_own_model_else_its_wearers_else_everyones(steps in steps()) {
        Runtime::new().expect("a runtime").block_on(async {
            let mut world = World::new().await;
            for step in steps {
                world.take(step).await?;
                world.check().await?;
            }
            Ok::<_, TestCaseError>(())
        })?;
    }
}
