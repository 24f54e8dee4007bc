-- Write how a run ended, and let go what waits for it. KEYS: none.
-- ARGV: prefix, runs kept, TTL in ms, id, name, outcome, then field, value…
-- 'queued' means that it will be tried again. Returns 1 if the run was open, else 0: an ended run keeps its end.
local limits = {prefix = ARGV[1], runs = tonumber(ARGV[2]), ttl = tonumber(ARGV[3])}
local id, name, outcome = ARGV[4], ARGV[5], ARGV[6]
local key = run_key(limits.prefix, id)
local was = redis.call('HGET', key, 'outcome')
if was ~= 'queued' and was ~= 'running' then return 0 end
redis.call('HSET', key, 'outcome', outcome, unpack(ARGV, 7))
if outcome ~= 'queued' then
  redis.call('ZREM', open_key(limits.prefix, name), id)
  release_waiting(limits, name)
end
return 1
