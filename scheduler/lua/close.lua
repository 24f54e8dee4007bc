-- Write how a run ended, and let go what waits for it.
-- KEYS: none. ARGV: prefix, runs kept, TTL in ms, id, name, outcome, claim's token, until, then field, value…
-- 'queued' means that it will be tried again, and counts as waiting in its queue until then. Returns 1 if it was written:
-- an ended run keeps its end, but one that was given up as lost takes the word of the worker that held it.
local limits = {prefix = ARGV[1], runs = tonumber(ARGV[2]), ttl = tonumber(ARGV[3])}
local id, name, outcome = ARGV[4], ARGV[5], ARGV[6]
local key = run_key(limits.prefix, id)
local was = redis.call('HMGET', key, 'outcome', 'claim')
local is_open = was[1] == 'queued' or was[1] == 'running'
local is_ours = was[1] == 'lost' and ARGV[7] ~= '' and was[2] == ARGV[7]
if was[1] and not is_open and not is_ours then return 0 end
-- A record that was trimmed while its run went on stays away, but what waits for its end must not wait for ever.
if was[1] then redis.call('HSET', key, 'outcome', outcome, unpack(ARGV, 9)) end
redis.call('ZREM', leases_key(limits.prefix), id)
if was[1] and outcome == 'queued' then
  redis.call('ZADD', open_key(limits.prefix, name), ARGV[8], id)
else
  redis.call('ZREM', open_key(limits.prefix, name), id)
  release_waiting(limits, name)
end
return was[1] and 1 or 0
