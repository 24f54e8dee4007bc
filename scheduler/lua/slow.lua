-- Note the runs that have become slow, while this beat leads.
-- KEYS: lock, slow. ARGV: token, now, prefix. Returns nil when the lock is not ours, else 1.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local MAX_NOTED = 1000 -- in one step; the next look takes the rest
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[2], 'LIMIT', 0, MAX_NOTED)) do
  redis.call('ZREM', KEYS[2], id)
  local ledger = home(ARGV[3], id)
  local run = read_run(ledger, id)
  local is_open = run and (run.outcome == 'running' or run.outcome == 'queued')
  if is_open and run.started then note_slow(ARGV[3], ledger, run) end
end
return 1
