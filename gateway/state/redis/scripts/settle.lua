-- uses: guard, window, spend
-- Gives back all that a hold has, counts the octets that were used, and notes.
--
-- KEYS  holds, leases, line, expired, dirty, then windows of octets, then windows of notes
-- ARGV  epoch, generation, now (Unix s), hold, the life in which it was surely there, octets, number of octet windows, then their names; then for
--       each note: window's name, count, seconds
-- gives {0, what each window of octets holds now, those set aside included, ...} or {2} when the
--       guard is broken: nothing was done
local holds, leases, line, expired, dirty = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now, id, octets, windows = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[6]), tonumber(ARGV[7])
local DAY = 86400

local g = guard(holds, leases, ARGV[1] .. ':' .. ARGV[2])
if not g then return { 2 } end
local was_there = drop(holds, leases, id) or redis.call('ZREM', expired, id) == 1
-- Taken for dead: all that it might have sent is counted.
local is_counted = not was_there and redis.call('ZREM', expired, id .. '!') == 1
redis.call('ZREM', line, id)
-- Where it was and is not any more, an earlier try was carried out: this one came twice, or late.
local counts = was_there or (not is_counted and tonumber(ARGV[5]) ~= g.life)

local answer = { 0 }
for place = 1, windows do
  local name = ARGV[7 + place]
  local w = open_window(KEYS[5 + place], DAY, now)
  spend(g, holds, w, name, dirty)
  if counts then add(w, octets, name, dirty) end
  answer[place + 1] = w.total + (tonumber(redis.call('HGET', holds, 'r:' .. name)) or 0)
end
if counts or is_counted then
  local at = 8 + windows
  local key = 6 + windows
  while ARGV[at] do
    add(open_window(KEYS[key], tonumber(ARGV[at + 2]), now), tonumber(ARGV[at + 1]), ARGV[at], dirty)
    at, key = at + 3, key + 1
  end
end
return answer
