"""What the operations answer: pydantic models, from which the API's document is made."""
