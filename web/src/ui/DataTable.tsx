import {
  flexRender,
  type CellContext,
  createRow,
  getSortedRowModel,
  useReactTable,
  type ColumnDef,
  type Row,
  type RowModel,
  type Table,
  type RowData,
  type SortingState,
} from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDown, ArrowUp, ArrowUpDown } from 'lucide-react';
import { memo, useRef, useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { usePlainLinks } from './links';
import { Failure, Loading } from './states';

declare module '@tanstack/react-table' {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- the names are the library's
  interface ColumnMeta<TData extends RowData, TValue> {
    /** Hidden on screens narrower than this. */
    from?: 'sm' | 'md' | 'lg' | 'xl' | 'xxl';
    /** Numbers stand right. */
    end?: boolean;
    /** A width in rem; the rest shares what is left. */
    width?: number;
    /** Takes what the other columns leave; what does not fit is cut. */
    grow?: boolean;
  }
}

const ROW = 45;

/** A table of any length: only the rows in sight are drawn. Its four states are loading, empty, failed and ready. */
export function DataTable<T>({
  rows,
  columns,
  id,
  label,
  error,
  retry,
  empty,
  sort,
  selected,
  more,
  fixed = false,
}: {
  /** Undefined while loading. */
  rows: T[] | undefined;
  columns: ColumnDef<T>[];
  id: (row: T) => string;
  /** What the table is about, for those who hear it. */
  label: string;
  error?: Error | null;
  retry?: () => void;
  empty: ReactNode;
  sort?: SortingState;
  /** Rows to stand out, by id. */
  selected?: ReadonlySet<string>;
  /** Gets the next rows when the end comes into sight. */
  more?: (() => void) | null;
  /** Columns keep their widths whatever stands in the rows in sight. */
  fixed?: boolean;
}) {
  const { t } = useTranslation();
  const box = useRef<HTMLDivElement>(null);
  const follow = usePlainLinks();
  const [coreRows] = useState(() => keptRows<T>());
  const [sorting, setSorting] = useState<SortingState>(sort ?? []);
  // eslint-disable-next-line react-hooks/incompatible-library -- the table keeps its own state; it is drawn anew with the rows
  const table = useReactTable({
    data: rows ?? [],
    columns,
    getRowId: id,
    state: { sorting },
    onSortingChange: setSorting,
    getCoreRowModel: coreRows,
    getSortedRowModel: getSortedRowModel(),
    defaultColumn: { enableSorting: false },
  });
  const all = table.getRowModel().rows;
  const virtual = useVirtualizer({
    count: all.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    overscan: 6,
    onChange: (instance) => {
      const end = instance.getVirtualItems().at(-1)?.index ?? 0;
      if (more && all.length > 0 && all.length - 20 <= end) more();
    },
  });
  if (error && !rows) return <Failure error={error} retry={retry} />;
  if (!rows) return <Loading lines={6} label={t('loadingThat', { what: label })} />;
  if (rows.length === 0) return <>{empty}</>;
  const items = virtual.getVirtualItems();
  const before = items[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    <div
      className={`data-table ${fixed ? 'is-fixed' : ''}`}
      ref={box}
      tabIndex={0}
      role="region"
      onClick={follow}
      aria-label={label}
    >
      <table className="table" aria-rowcount={all.length + 1}>
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id} aria-rowindex={1}>
              {group.headers.map((header) => {
                const { meta } = header.column.columnDef;
                const sorted = header.column.getIsSorted();
                const content = flexRender(header.column.columnDef.header, header.getContext());
                return (
                  <th
                    key={header.id}
                    scope="col"
                    className={cell(meta)}
                    style={meta?.width ? { width: `${meta.width}rem` } : undefined}
                    aria-sort={sorted === 'asc' ? 'ascending' : sorted === 'desc' ? 'descending' : undefined}
                  >
                    {header.column.getCanSort() ? (
                      <button
                        type="button"
                        className="sort"
                        onClick={header.column.getToggleSortingHandler()}
                      >
                        {content}
                        {sorted === 'asc' ? (
                          <ArrowUp size={12} aria-hidden="true" />
                        ) : sorted === 'desc' ? (
                          <ArrowDown size={12} aria-hidden="true" />
                        ) : (
                          <ArrowUpDown size={12} aria-hidden="true" opacity={0.4} />
                        )}
                      </button>
                    ) : (
                      content
                    )}
                  </th>
                );
              })}
            </tr>
          ))}
        </thead>
        <tbody>
          {before > 0 && <Spacer height={before} />}
          {items.map((item) => {
            const row = all[item.index];
            if (!row) return null;
            return (
              <BodyRow
                key={row.id}
                row={row}
                index={item.index}
                isSelected={selected?.has(row.id) ?? false}
                columns={columns as ColumnDef<unknown>[]}
              />
            );
          })}
          {after > 0 && <Spacer height={after} />}
        </tbody>
      </table>
    </div>
  );
}

/**
 * The table's rows, of which those are kept whose data stayed in its place: making ten thousand anew whenever one
 * changes would stop a scroll. Rows by id are left out; nothing here asks for them.
 */
function keptRows<T>() {
  const kept = new WeakMap<object, Row<T>>();
  let last: { data: T[]; model: RowModel<T> } | undefined;
  return (table: Table<T>) => () => {
    const { data, getRowId } = table.options;
    if (last?.data === data) return last.model;
    const rows = data.map((original, index) => {
      const known = kept.get(original as object);
      if (known?.index === index) return known;
      const row = createRow(table, getRowId?.(original, index) ?? String(index), original, index, 0);
      kept.set(original as object, row);
      return row;
    });
    last = { data, model: { rows, flatRows: rows, rowsById: {} } };
    return last.model;
  };
}

/** Scrolling draws the rows that come into sight, and not those that stay there. */
const BodyRow = memo(function BodyRow({
  row,
  index,
  isSelected,
  columns,
}: {
  row: Row<unknown>;
  index: number;
  isSelected: boolean;
  columns: ColumnDef<unknown>[];
}) {
  return (
    <tr aria-rowindex={index + 2} style={{ height: ROW }} className={isSelected ? 'table-active' : undefined}>
      {columns.map((column, i) => (
        <td key={i} className={cell(column.meta)}>
          {contentOf(column, row)}
        </td>
      ))}
    </tr>
  );
});

/** Every column is always shown, so the table's own cells, which are made anew for each row, are not needed. */
function contentOf(column: ColumnDef<unknown>, row: Row<unknown>): ReactNode {
  if (typeof column.cell === 'function') {
    return (column.cell as (at: Pick<CellContext<unknown, unknown>, 'row'>) => ReactNode)({ row });
  }
  const value =
    'accessorFn' in column
      ? column.accessorFn(row.original, row.index)
      : 'accessorKey' in column
        ? (row.original as Record<string, unknown>)[column.accessorKey]
        : null;
  return value as ReactNode;
}

function Spacer({ height }: { height: number }) {
  return (
    <tr aria-hidden="true" style={{ height }}>
      <td className="p-0 border-0" />
    </tr>
  );
}

function cell(meta: { from?: string; end?: boolean; grow?: boolean } | undefined): string {
  return [
    meta?.from ? `d-none d-${meta.from}-table-cell` : '',
    meta?.end ? 'text-end numbers' : '',
    meta?.grow ? 'grow' : '',
  ]
    .filter(Boolean)
    .join(' ');
}
