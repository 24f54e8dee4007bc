-- Stop a run because a person asks for it: at once if no worker runs it, else its worker reads that it shall.
-- KEYS: none. ARGV: prefix, id, now, who asks and why.
-- Returns nil where there is no such run, 'done' if it was queued, 'asked' if it runs, or the outcome that it has
-- already.
local prefix, id = ARGV[1], ARGV[2]
local ledger = home(prefix, id)
local run = read_run(ledger, id)
if not run then return false end
if run.outcome == 'running' then
  ask_to_stop(prefix, id, ARGV[4])
  return 'asked'
end
if run.outcome ~= 'queued' then return run.outcome end
stop_run(prefix, id, run, ARGV[4], ARGV[3])
write_run(prefix, ledger, id, run)
note_end(prefix, ledger, id, run)
redis.call('ZREM', leases_key(prefix), id)
redis.call('ZREM', later_key(prefix), id)
let_go(prefix, ledger, id, run)
return 'done'
