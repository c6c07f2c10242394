-- uses: flight_slot
-- Own entries for a plan. ARGV: epoch, is_sure, closed ms, owner, start, number, is_last, entries.
-- Gives ms until this slot opens (-1: another epoch), then if that is 0 a letter for each entry.
-- With a live owner of one (B) none is claimed, unless it is the last try.

local left = opening(ARGV[1], ARGV[2], ARGV[3])
if left ~= 0 then
  return {left}
end
local owner, start, number, is_last = ARGV[4], ARGV[5], ARGV[6], ARGV[7] == '1'
local names = {}
for i = 8, #ARGV do
  names[i - 7] = '=' .. ARGV[i]
end
local values = redis.call('HMGET', slot, unpack(names))
local absent = redis.call('HEXISTS', slot, '#whole') == 1 and '-' or 'S'
local letters, is_busy = {0}, false
for i, value in ipairs(values) do
  local letter = absent
  if value then
    letter = string.sub(value, 1, 1)
    if letter == 'F' then
      local since, _, _, theirs, name = parse(value)
      letter = is_alive(since, theirs, name) and 'B' or 'U'
      is_busy = is_busy or letter == 'B'
    end
  end
  letters[i + 1] = letter
end
if not is_busy or is_last then
  for i, name in ipairs(names) do
    if letters[i + 1] ~= 'B' then
      local before = letters[i + 1] == 'E' and '-' or letters[i + 1]
      redis.call('HSET', slot, name, flight(number, before, start, owner))
    end
  end
end
return letters
