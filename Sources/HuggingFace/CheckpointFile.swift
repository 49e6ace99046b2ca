/// Names of the files in a checkpoint.
public enum CheckpointFile {
  public static let model = "model.safetensors"
  public static let optimizer = "optimizer.safetensors"
  public static let state = "state.json"
  public static let configuration = "config.json"
  public static let tokenizerConfiguration = "tokenizer_config.json"
  public static let generation = "generation_config.json"
}
