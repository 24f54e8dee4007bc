-- Look after groups: free the places of runs that are over, as an older release leaves them, and give free places to
-- those who wait.
-- KEYS: lock. ARGV: token, prefix, then groups. Returns nil when the lock is not ours, else 1.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local MAX_LOOKED_AT = 1000 -- places of a group in one step
local prefix = ARGV[2]

local function is_over(id)
  local run = read_run(home(prefix, id), id)
  return not run or (run.outcome ~= 'queued' and run.outcome ~= 'running')
end

for at = 3, #ARGV do
  local group = ARGV[at]
  for _, id in ipairs(redis.call('ZRANGE', group_key(prefix, group), 0, MAX_LOOKED_AT - 1)) do
    if is_over(id) then redis.call('ZREM', group_key(prefix, group), id) end
  end
  pcall(fill_places, prefix, group)
end
return 1
