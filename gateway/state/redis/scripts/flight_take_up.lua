-- uses: flight_slot
-- Mark what an earlier start of an owner left and the records have. ARGV: owner, entries.
-- Gives the entries that are over: another has dealt with them since.

local over = {}
for i = 2, #ARGV do
  local name = '=' .. ARGV[i]
  local value = redis.call('HGET', slot, name)
  local kind = value and string.sub(value, 1, 1)
  if kind == 'E' then
    over[#over + 1] = ARGV[i]
  elseif kind ~= 'F' or select(5, parse(value)) == ARGV[1] then
    redis.call('HSET', slot, name, 'S' .. seconds)
  end
end
return over
