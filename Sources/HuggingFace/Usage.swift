// Python that a model card shows, for families that are used alike.

let textGenerationUsage = """
  from transformers import pipeline

  folder = "."  # this folder, or the model's name on the Hub
  generate = pipeline("text-generation", model=folder)
  print(generate("The", max_new_tokens=20)[0]["generated_text"])
  """

let fillMaskUsage = """
  from transformers import pipeline

  folder = "."  # this folder, or the model's name on the Hub
  fill = pipeline("fill-mask", model=folder)
  for candidate in fill(f"The {fill.tokenizer.mask_token} of"):
      print(candidate["score"], candidate["token_str"])
  """
