"""From a due entry to one message on its queue, committed with the ledger in one step."""
