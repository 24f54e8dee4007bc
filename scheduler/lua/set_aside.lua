-- Set an entry aside until somebody changes it; or take a name out of the index that has no entry.
-- KEYS: lock, schedule index, entry. ARGV: token, revision that was read, error, score that beat never meets, prefix,
--   now (epoch seconds).
-- Returns 1 when it was done.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local is_entry = redis.call('TYPE', KEYS[3]).ok == 'hash' and redis.call('HEXISTS', KEYS[3], 'definition') == 1
local prefix, name = ARGV[5], string.sub(KEYS[3], #ARGV[5] + 1)
if not is_entry then
  leave_indexes(prefix, name)
  note_revised(prefix, {name})
  return redis.call('ZREM', KEYS[2], KEYS[3])
end
local revision = redis.call('HGET', KEYS[3], 'revision') or '0'
if string.match(revision, '^[1-9]%d*$') and revision ~= ARGV[2] then return 0 end
local holds = redis.call('HMGET', KEYS[3], 'definition', 'meta')
if (redis.call('HGET', KEYS[3], 'error') or '') == '' then redis.call('HSET', KEYS[3], 'error_at', ARGV[6]) end
redis.call('HSET', KEYS[3], 'error', ARGV[3], 'refused', redis.sha1hex(holds[1] .. (holds[2] or '')))
redis.call('ZADD', KEYS[2], 'XX', ARGV[4], KEYS[3])
index_quarantine(prefix, name)
note_revised(prefix, {name})
return 1
