# Stops new logins of $user and ends what runs in the name of it. Prints `uid N`, or `uid gone`.
if [ -z "$uid" ]; then
  while IFS=: read -r name _ number _; do
    if [ "$name" = "$user" ]; then uid=$number; break; fi
  done </etc/passwd
fi
if [ -z "$uid" ]; then echo 'uid gone'; exit 0; fi
case $uid in
  '' | *[!0-9]*) echo "problem the uid of $user is not a number"; exit 0 ;;
esac
if [ "$uid" -lt 500 ]; then echo "problem the uid $uid belongs to the system; Berth did not make it"; exit 0; fi
echo "uid $uid"
while IFS=: read -r name _ number _ _ home _; do
  [ "$name" = "$user" ] || continue
  if command -v usermod >/dev/null; then usermod -L -e 1 -s /bin/false "$user" 2>/dev/null
  else passwd -l "$user" >/dev/null 2>&1; fi
  # By its own name and nothing behind it: a link in a hostile home leads nowhere from here.
  [ -L "$home" ] || [ -L "$home/.ssh" ] || rm -f -- "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"
done </etc/passwd
if command -v loginctl >/dev/null && [ -d /run/systemd/system ]; then
  loginctl disable-linger "$user" 2>/dev/null
  loginctl terminate-user "$user" 2>/dev/null
fi
hunt || echo "problem processes of uid $uid go on in spite of kill"
exit 0
