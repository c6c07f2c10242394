-- uses: flight_slot
-- Let flights of ours go. ARGV: owner, start, then entry, number, letter for each: '-' nothing is kept,
-- 'S' the records may have it, '=' all is as it was before. What has become another's stays.

for i = 3, #ARGV, 3 do
  local name, letter = '=' .. ARGV[i], ARGV[i + 2]
  local value = redis.call('HGET', slot, name)
  if not value then
    if letter == 'S' then
      redis.call('HSET', slot, name, letter .. seconds)
    end
  elseif string.sub(value, 1, 1) == 'F' then
    local _, number, before, start, owner = parse(value)
    if number == ARGV[i + 1] and start == ARGV[2] and owner == ARGV[1] then
      if letter == '-' and before == 'U' then
        letter = 'E'  -- the dead owner may come back and must learn that it is over
      elseif letter == '=' then
        letter = before
      end
      if letter == '-' then
        redis.call('HDEL', slot, name)
      else
        redis.call('HSET', slot, name, letter .. seconds)
      end
    end
  end
end
return 1
