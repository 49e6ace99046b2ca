import Core

/// Keys of earlier versions and of Hugging Face's configurations, with what they are called here. None of them is read;
/// whoever writes one is shown the right one.
enum RenamedKeys {
  /// What is wrong with `key`, as a sentence without it; nil where it is no other name of a key there is.
  /// - Parameter known: the keys there are, by their whole paths.
  static func sentence(_ key: String, among known: [String]) -> String? {
    let parts = key.split(separator: ".").map(String.init)
    guard let name = parts.last else { return nil }
    let path = parts.dropLast().map { $0 + "." }.joined()
    // Earlier versions wrote keys in camelCase.
    let candidates = [names["\(parts.dropLast().last ?? "").\(name)"], names["*.\(name)"], snakeCase(name)].compactMap {
      $0.map { path + $0 }
    }
    return candidates.first { $0 != key && known.contains($0) }.map { "is not a key; it is called \($0)." }
  }

  private static let names = [
    "model.width": "hidden_size", "model.n_embd": "hidden_size",
    "model.layers": "num_layers", "model.num_hidden_layers": "num_layers", "model.n_layer": "num_layers",
    "model.heads": "num_heads", "model.num_attention_heads": "num_heads", "model.n_head": "num_heads",
    "model.feedForward": "intermediate_size", "model.n_inner": "intermediate_size",
    "model.context": "max_position", "model.max_position_embeddings": "max_position",
    "model.n_positions": "max_position",
    "model.positions": "position_embedding", "model.position_embedding_type": "position_embedding",
    "model.normEpsilon": "norm_eps", "model.layer_norm_eps": "norm_eps", "model.layer_norm_epsilon": "norm_eps",
    "model.rms_norm_eps": "norm_eps",
    "model.rotaryBase": "rope_theta", "model.tiedHead": "tie_word_embeddings", "model.tokenTypes": "type_vocab_size",
    "model.embeddingWidth": "embedding_size", "model.hidden_act": "activation", "model.hidden_dropout_prob": "dropout",
    "model.attention_probs_dropout_prob": "attention_dropout", "model.model_type": "architecture",
    "optimizer.epsilon": "eps", "optimizer.adam_epsilon": "eps", "optimizer.lr": "learning_rate",
    "optimizer.clipNorm": "max_grad_norm",
    "optimizer.adam_beta1": "beta1", "optimizer.adam_beta2": "beta2",
    "schedule.shape": "type", "schedule.lr_scheduler_type": "type", "schedule.finalShare": "min_lr_factor",
    "schedule.decayShare": "decay_ratio",
    "duration.max_steps": "steps", "duration.num_train_epochs": "epochs",
    "machine.tensorBoard": "tensorboard", "machine.logging_steps": "log_steps",
    "machine.eval_steps": "validation_steps",
    "machine.save_steps": "checkpoint_steps", "machine.save_total_limit": "keep_last",
    "objective.told": "offset_conditioning", "objective.law": "offset_distribution",
    "objective.countLaw": "mask_count_distribution",
    "objective.positionLaw": "masking_strategy", "objective.weightLaw": "loss_normalization",
    "objective.wholeWords": "whole_word_mask",
    "objective.spanEnd": "span_geometric_p", "objective.insideDocuments": "document_masking",
    "objective.mlm_probability": "mask_ratio",
    "objective.discriminatorOn": "discriminator_positions", "objective.generatorWidth": "generator_hidden_size",
    "objective.generatorHeads": "generator_num_heads", "objective.generatorLayers": "generator_num_layers",
    "objective.generatorFeedForward": "generator_intermediate_size",
    "*.maskShare": "mask_replace_prob", "*.randomShare": "random_replace_prob",
    "cooccurrence.mostTokens": "max_tokens", "bag-of-words.minimumTexts": "min_texts",
    "retrieval.fillers": "distractor_words",
  ]
}
