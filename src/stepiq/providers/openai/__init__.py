"""The chat protocol of OpenAI, which Mistral, Z.ai and many servers speak, too."""
