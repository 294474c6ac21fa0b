//! What ELECTRA is compared with: a gate that may copy, two stages, and an adversarial generator.

use wgrad_engine::ops::{Targets, add, add_scaled, scale};
use wgrad_engine::{Device, Tensor, no_grad};
use wgrad_losses::{baseline, copy_or_predict, detection_rows, masked_lm, policy_gradient};
use wgrad_models::Mode;
use wgrad_models::electra::{Discriminator, Electra, Head, WordHead, rows_of};
use wgrad_models::layers::Linear;

use super::super::{Terms, mlm};
use super::{ElectraObjective, Inputs};

/// "All-Tokens MLM" (§3.4): −mean over all tokens of log p(x_t), where a gate may copy x̂_t.
pub(super) fn all_tokens(
    hidden: &Tensor,
    (head, gate): (&WordHead, &Linear),
    inputs: &Inputs,
    corrupted: &[u32],
) -> Tensor {
    let device = hidden.device();
    let original: Vec<u32> =
        inputs.visible.iter().map(|&at| inputs.originals[at as usize]).collect();
    let is_copy: Vec<bool> =
        inputs.visible.iter().map(|&at| !inputs.is_replaced(corrupted, at)).collect();
    let rows = mlm::rows(device, &inputs.visible, corrupted.len());
    let targets = Targets::new(device, &original, inputs.masked.ids.table_rows());
    let gates = gate.forward(&rows_of(hidden, &rows)); // [R, 1]
    let states = head.transform(hidden, &rows); // [R, E]
    copy_or_predict(&gates, (&states, &head.decoder, &head.bias), &targets, &is_copy)
}

/// Stage one: a masked language model as large as the discriminator, `loss = loss_generator`.
pub(super) fn first_stage(encoder: &Discriminator, inputs: &Inputs, mode: &Mode) -> Terms {
    let (rows, targets) = &inputs.labels;
    let hidden = encoder.electra.forward(&inputs.masked, mode); // [B, T, H]
    let head = word_head(encoder);
    let states = head.transform(&hidden, rows); // [R, E]
    let loss = masked_lm(&states, &head.decoder, &head.bias, targets);
    Terms { loss, terms: Vec::new(), hidden }
}

/// The head of a model that was declared for words.
fn word_head(encoder: &Discriminator) -> &WordHead {
    match &encoder.head {
        Head::Words(head) => head,
        Head::Detection(_) | Head::WordsOrCopies(..) => {
            unreachable!("a stage's generator is declared for words")
        }
    }
}

impl ElectraObjective {
    /// Stage two: `loss = loss_discriminator` on what a generator fills in that is not trained any more.
    pub(super) fn second_stage(
        &self,
        (discriminator, generator): (&Discriminator, &Discriminator),
        inputs: &Inputs,
        mode: &Mode,
    ) -> Terms {
        let corrupted = inputs.corrupt(|| {
            no_grad(|| {
                let hidden = generator.electra.forward(&inputs.masked, mode);
                let head = word_head(generator);
                head.sample(&head.transform(&hidden, &inputs.labels.0), mode)
            })
        });
        let (hidden, loss) = self.judge(discriminator, inputs, &corrupted, mode);
        Terms { loss, terms: Vec::new(), hidden }
    }

    /// `loss = loss_policy + loss_baseline + λ·loss_discriminator` (appendix F): the generator is rewarded by what its
    /// draws cost the discriminator, R_t = loss of D at t, less what it expected, b_t.
    ///
    /// What the paper leaves open: the baseline reads the generator's state and does not move it, and weighs as much as the
    /// policy. `loss_generator`, that of masked language modelling, is told and not trained.
    pub(super) fn adversarial(
        &self,
        electra: &Electra,
        device: &Device,
        inputs: &Inputs,
        mode: &Mode,
    ) -> Terms {
        let Electra { generator, discriminator } = electra;
        let (rows, targets) = &inputs.labels;
        let of_generator = generator.electra.forward(&inputs.masked, mode); // [B, T, H_G]
        let head = &generator.head;
        let states = head.transform(&of_generator, rows); // [R, E]
        let loss_generator =
            no_grad(|| masked_lm(&states, &head.decoder, &head.bias, targets)).detach();

        let corrupted = inputs.corrupt(|| head.sample(&states, mode)); // x^corrupt
        let (hidden, loss_discriminator) = self.judge(discriminator, inputs, &corrupted, mode);

        let drawn: Vec<u32> = inputs.positions.iter().map(|&at| corrupted[at as usize]).collect();
        let replaced = |&at: &u32| u32::from(inputs.is_replaced(&corrupted, at));
        let replaced: Vec<u32> = inputs.positions.iter().map(replaced).collect();
        let Head::Detection(detection) = &discriminator.head else {
            unreachable!("an adversary is declared with a discriminator that detects")
        };
        let rewards = no_grad(|| {
            let logits = detection.logits(&hidden.detach(), rows);
            detection_rows(&logits, &replaced).to_f32() // R
        });
        let expects = generator.baseline.as_ref().expect("it is declared with the scheme");
        let logits = expects.forward(&rows_of(&of_generator.detach(), rows)); // [R, 1]
        let (loss_baseline, expected) = baseline(&logits, &rewards);
        let advantages: Vec<f32> = rewards.iter().zip(&expected).map(|(r, b)| r - b).collect();
        let drawn = Targets::new(device, &drawn, inputs.masked.ids.table_rows());
        let loss_policy =
            policy_gradient((&states, &head.decoder, &head.bias), &drawn, &advantages);

        let [weight, lambda] = self.loss_weights;
        let of_generator = scale(&add(&loss_policy, &loss_baseline), weight);
        let loss = add_scaled(&of_generator, &loss_discriminator, lambda);
        let terms = vec![
            ("loss_generator", loss_generator),
            ("loss_policy", loss_policy),
            ("loss_baseline", loss_baseline),
            ("loss_discriminator", loss_discriminator),
        ];
        Terms { loss, terms, hidden }
    }
}
