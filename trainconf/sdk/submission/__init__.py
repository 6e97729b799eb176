"""From a ScriptRunConfig to a run: layers with their lines, the request that composes, the submission."""
