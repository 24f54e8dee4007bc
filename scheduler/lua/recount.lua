-- Work out the health of schedules from the rows of their ledgers.
-- KEYS: none. ARGV: prefix, then names.
for at = 2, #ARGV do pcall(recount, ARGV[1], ledger_key(ARGV[1], ARGV[at])) end
return #ARGV - 1
