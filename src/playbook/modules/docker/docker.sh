# b_docker WORD...: docker with the engine's options; its words into b_x, its status into b_rc.
b_docker() {
  b_need docker
  b_words=$b_docker_opts
  while [ -n "$b_words" ]; do
    # Last first, so that they come out in order.
    set -- "${b_words##*
}" "$@"
    case $b_words in *"
"*) b_words=${b_words%
*} ;; *) b_words= ;; esac
  done
  b_try docker "$@"
}
b_docker_must() { b_docker "$@" || { outj rc "$b_rc"; fail "\`docker $1\` failed (rc $b_rc): $b_x"; }; }
# b_docker_get FORMAT KIND NAME: what the engine knows of NAME, by FORMAT, into b_x. False when there is no such thing.
b_docker_get() { b_docker "$2" inspect --format "$1" "$3" && return 0; case $b_x in *'o such '* | *'not found'*) b_x=; return 1 ;; esac; fail "\`docker\` does not answer: $b_x"; }
# b_docker_tell KIND NAME KEY: all that the engine knows of NAME.
b_docker_tell() { if b_docker "$1" inspect --format '{{json .}}' "$2"; then outj "$3" "$b_x"; fi; }
# b_docker_image_id NAME: the image's id into b_image_id, empty when it is not there.
b_docker_image_id() { b_docker_get '{{.Id}}' image "$1" || b_x=; b_image_id=$b_x; }

b_docker_image() {
  b_docker_image_id "$b_full"
  b_was=$b_image_id
  if [ "$b_state" = absent ]; then
    [ -n "$b_was" ] || return 0
    changed
    [ -n "$CHECK" ] || b_docker_must image rm ${b_force_absent:+--force} "$b_full"
    return 0
  fi
  if [ -z "$b_was" ] || [ -n "$b_force_source" ]; then
    case $b_source in
      pull)
        if [ -n "$CHECK" ]; then [ -n "$b_was" ] || changed; else b_docker_must pull -q "$@" "$b_full"; fi
        ;;
      build)
        if [ -n "$CHECK" ]; then changed; else b_docker_must build -t "$b_full" "$@"; out stdout "$b_x"; fi
        ;;
      load)
        if [ -n "$CHECK" ]; then changed; else b_docker_must load -i "$b_load"; out stdout "$b_x"; fi
        ;;
      local) [ -n "$b_was" ] || fail "Cannot find the image $b_full locally." ;;
    esac
    if [ -z "$CHECK" ]; then
      b_docker_image_id "$b_full"
      [ -n "$b_image_id" ] || fail "the image $b_full is not there after all"
      [ "$b_was" = "$b_image_id" ] || changed
    fi
  fi
  if [ -n "$b_archive" ]; then
    # Whatever is in the file now cannot be told from here; it is written when it is not there, or the image is new.
    if [ ! -e "$b_archive" ] || [ "$b_was" != "$b_image_id" ]; then
      changed
      [ -n "$CHECK" ] || b_docker_must save -o "$b_archive" "$b_full"
    fi
  fi
  if [ -n "$b_repository" ]; then
    b_docker_image_id "$b_repository"
    b_other=$b_image_id
    b_docker_image_id "$b_full"
    if [ "$b_other" != "$b_image_id" ] || { [ -z "$b_other" ] && [ -n "$CHECK" ]; }; then
      changed
      [ -n "$CHECK" ] || b_docker_must tag "$b_full" "$b_repository"
    fi
  fi
  if [ -n "$b_push" ]; then
    if [ -n "$CHECK" ]; then changed
    else
      b_docker_must push "${b_repository:-$b_full}"
      case $b_x in *': Pushed'*) changed ;; esac
    fi
  fi
  b_docker_tell image "$b_full" image
}
# b_docker_container OPTION... (of `docker create`, the image and the command at their end)
b_docker_container() {
  b_is=
  if b_docker_get '{{.State.Status}} {{index .Config.Labels "berth.spec"}} {{.Image}}' container "$b_name"; then
    b_is=${b_x%% *}
    b_spec_is=${b_x#* }
    b_image_is=${b_spec_is##* }
    b_spec_is=${b_spec_is%% *}
  fi
  if [ "$b_state" = absent ]; then
    [ -n "$b_is" ] || return 0
    changed
    [ -n "$CHECK" ] || b_container_away
    return 0
  fi
  b_make=
  if [ -n "$b_image" ]; then
    b_docker_image_id "$b_image"
    b_before=$b_image_id
    case $b_pull in
      always) b_get=1 ;;
      never) [ -n "$b_image_id" ] || fail "Cannot find image with name $b_image"; b_get= ;;
      *) b_get=; [ -n "$b_image_id" ] || b_get=1 ;;
    esac
    if [ -n "$b_get" ]; then
      if [ -n "$CHECK" ]; then [ -n "$b_before" ] || changed
      else
        b_docker_must pull -q "$b_image"
        b_docker_image_id "$b_image"
        [ "$b_before" = "$b_image_id" ] || changed
      fi
    fi
    if [ -z "$b_is" ]; then b_make=1
    elif [ -n "$b_recreate" ] || [ "$b_spec_is" != "$b_spec" ]; then b_make=1
    elif [ -z "$b_ignore_image" ] && [ -n "$b_image_id" ] && [ "$b_image_is" != "$b_image_id" ]; then b_make=1; fi
  elif [ -z "$b_is" ]; then fail "Cannot create container when image is not specified!"; fi
  if [ -n "$b_make" ]; then
    changed
    if [ -n "$CHECK" ]; then return 0; fi
    [ -z "$b_is" ] || b_container_away
    b_docker_must create "$@"
    b_is=created
    b_container_networks
  fi
  case $b_state in
    started | healthy)
      case $b_is in
        running) if [ -n "$b_restart" ]; then changed; [ -n "$CHECK" ] || b_docker_must restart ${b_stop:+-t "$b_stop"} "$b_name"; fi ;;
        paused) changed; [ -n "$CHECK" ] || b_docker_must unpause "$b_name" ;;
        *)
          changed
          if [ -z "$CHECK" ]; then
            if [ -z "$b_detach" ]; then b_docker start -a "$b_name"; outj status "$b_rc"; out output "$b_x"; [ "$b_rc" = 0 ] || fail "the container ended with $b_rc: $b_x"
            else b_docker_must start "$b_name"; fi
          fi
          ;;
      esac
      if [ "$b_state" = healthy ] && [ -z "$CHECK" ]; then b_container_healthy; fi
      ;;
    stopped)
      case $b_is in running | paused | restarting)
        changed
        [ -n "$CHECK" ] || b_docker_must stop ${b_stop:+-t "$b_stop"} "$b_name"
        ;;
      esac
      ;;
  esac
  if [ -n "$b_cleanup" ] && [ -z "$CHECK" ]; then b_container_away; return 0; fi
  b_docker_tell container "$b_name" container
}
b_container_away() {
  if [ -n "$b_kill" ]; then b_docker kill "$b_name"
  else case $b_is in running | paused | restarting) b_docker_must stop ${b_stop:+-t "$b_stop"} "$b_name" ;; esac; fi
  b_docker_must rm -f ${b_volumes_go:+-v} "$b_name"
}
# The networks after the first, NETWORK and its options by blanks, a line each, in b_networks.
b_container_networks() {
  b_left=$b_networks
  while [ -n "$b_left" ]; do
    b_l=${b_left%%
*}
    case $b_left in *"
"*) b_left=${b_left#*
} ;; *) b_left= ;; esac
    set -f
    b_docker_must network connect ${b_l#* } "${b_l%% *}" "$b_name"
    set +f
  done
}
b_container_healthy() {
  b_n=0
  while b_docker_get '{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}' container "$b_name"; do
    case $b_x in
      healthy) return 0 ;;
      none) fail "the container $b_name has no health check" ;;
    esac
    b_n=$((b_n + 1))
    [ "$b_n" -le "$b_patience" ] || fail "Timeout of $b_patience seconds exceeded while waiting for container \"$b_name\""
    sleep 1
  done
}
# b_docker_thing KIND OPTION...: a network or a volume, made of OPTION....
b_docker_thing() {
  b_kind=$1
  shift
  b_is= b_spec_is=
  if b_docker_get '{{index .Labels "berth.spec"}} {{.Driver}}' "$b_kind" "$b_name"; then
    b_is=1
    b_spec_is=${b_x%% *}
  fi
  if [ "$b_state" = absent ]; then
    [ -n "$b_is" ] || return 0
    changed
    [ -n "$CHECK" ] || b_docker_thing_away
    return 0
  fi
  case $b_anew:$b_is in
    always:1) b_again=1 ;;
    never:1) b_again= ;;
    *)
      b_again=
      # What somebody else made carries no label; it stays as it is.
      case $b_spec_is in '' | '<no') ;; "$b_spec") ;; *) [ -z "$b_is" ] || b_again=1 ;; esac
      ;;
  esac
  if [ -z "$b_is" ] || [ -n "$b_again" ]; then
    changed
    if [ -z "$CHECK" ]; then
      [ -z "$b_is" ] || b_docker_thing_away
      b_docker_must "$b_kind" create "$@" "$b_name"
    fi
  fi
  [ "$b_kind" != network ] || [ -n "$CHECK" ] || b_docker_members
  b_docker_tell "$b_kind" "$b_name" "$b_kind"
}
b_docker_thing_away() {
  if [ "$b_kind" = network ]; then
    b_docker_get '{{range .Containers}}{{.Name}} {{end}}' network "$b_name"
    for b_c in $b_x; do b_docker_must network disconnect -f "$b_name" "$b_c"; done
  fi
  b_docker_must "$b_kind" rm "$b_name"
}
# The containers b_members are in the network; without b_appends no others.
b_docker_members() {
  [ -n "$b_members_given" ] || return 0
  b_docker_get '{{range .Containers}}{{.Name}} {{end}}' network "$b_name"
  b_in=" $b_x "
  for b_c in $b_members; do
    case $b_in in *" $b_c "*) continue ;; esac
    changed
    b_docker_must network connect "$b_name" "$b_c"
  done
  [ -z "$b_appends" ] || return 0
  for b_c in $b_in; do
    case " $b_members " in *" $b_c "*) continue ;; esac
    changed
    b_docker_must network disconnect -f "$b_name" "$b_c"
  done
}
# b_docker_compose OPTION... -- WORD...: compose of the project; what it says it did is what changed.
b_docker_compose() {
  b_docker_must compose version --short
  b_docker_must compose "$@"
  out stdout "$b_x"
  case $b_x in
    *' Created'* | *' Started'* | *' Recreated'* | *' Removed'* | *' Stopped'* | *' Restarted'* | *' Pulled'* | *' Built'* | *' Killed'*)
      # `Recreate` and its like in the past only: what was done, or with --dry-run would be.
      changed
      ;;
  esac
}
