-- What commit.lua is told. sending/commit_arguments.py writes the words of ARGV in this order and says what each means.

local function step_at(at)
  return {
    token = ARGV[at], now = ARGV[at + 1], prefix = ARGV[at + 2], runs_kept = ARGV[at + 3], ttl_ms = ARGV[at + 4],
    commits = ARGV[at + 5],
  }, at + 6
end

local function skip_at(at)
  return {
    id = ARGV[at], due = ARGV[at + 1], last = ARGV[at + 2], times = ARGV[at + 3],
    reason = ARGV[at + 4], detail = ARGV[at + 5],
    is_apart = ARGV[at + 6],
  }
end

local function run_at(at)
  return {id = ARGV[at], record = ARGV[at + 1], queue = ARGV[at + 2], payload = ARGV[at + 3], expires = ARGV[at + 4]}
end

local function unusual_at(at, words)
  local unusual = {
    resumed = ARGV[at], definition = ARGV[at + 1], due_if_unsent = ARGV[at + 2],
    score_if_unsent = ARGV[at + 3], skips = {},
  }
  for skip = at + 4, at + words - 1, 7 do unusual.skips[#unusual.skips + 1] = skip_at(skip) end
  return unusual
end

-- An entry, and where the next one begins.
local function entry_at(at)
  local entry = {
    name = ARGV[at], revision = ARGV[at + 1], due_before = ARGV[at + 2], due_after = ARGV[at + 3], score = ARGV[at + 4],
    last_run = ARGV[at + 5], overlap = ARGV[at + 6], runs = {},
  }
  local words = tonumber(ARGV[at + 7])
  at = at + 8
  if words > 0 then entry.unusual = unusual_at(at, words) end
  at = at + words
  local count = tonumber(ARGV[at])
  for run = 1, count do entry.runs[run] = run_at(at + 5 * run - 4) end
  return entry, at + 5 * count + 1
end
