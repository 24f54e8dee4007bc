-- Put back entries that Redis lost, each where there is none of that name now.
-- KEYS: lock, schedule index. ARGV: token, prefix, then for each entry: name, score, number of names and values,
--   {field, value}…
-- Returns nil when the lock is not ours, else the names that were put back.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local prefix = ARGV[2]

local answer = {}
local at = 3
while at <= #ARGV do
  local name, score, count = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local key = prefix .. name
  if redis.call('TYPE', key).ok ~= 'hash' or redis.call('HEXISTS', key, 'definition') == 0 then
    -- What is there has no definition, so nothing could send it.
    redis.call('DEL', key)
    redis.call('HSET', key, unpack(ARGV, at + 3, at + 2 + count))
    redis.call('HSET', key, 'seen', redis.sha1hex(redis.call('HGET', key, 'definition')))
    redis.call('HSET', key, 'revision', next_revision(prefix))
    redis.call('ZADD', KEYS[2], score, key)
    index_quarantine(prefix, name)
    note_outcome(name, last_outcome(ledger_key(prefix, name)))
    answer[#answer + 1] = name
  end
  at = at + 3 + count
end
write_indexes(prefix)
if #answer > 0 then note_revised(prefix, answer) end
return answer
